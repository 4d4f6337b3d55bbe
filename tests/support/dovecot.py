"""A real, private Dovecot per test (Debian's): import the fixture `dovecot` into a conftest or a test file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from services.all_in_one.demo.dovecot import BINARY, Dovecot
from tests.support.canary import secret

USERS = {"support@desk.example": secret("correct horse"), "requests@desk.example": secret('with "quotes" and \\')}
"""Two users; the second one's password needs quoting on the wire."""


@pytest_asyncio.fixture
async def dovecot(tmp_path: Path) -> AsyncIterator[Dovecot]:
    """A running Dovecot with the users of USERS and empty mailboxes."""
    if not BINARY.exists():
        pytest.skip("Dovecot is not installed (apt-get install dovecot-imapd)")
    async with Dovecot(tmp_path / "dovecot", USERS) as server:
        yield server
