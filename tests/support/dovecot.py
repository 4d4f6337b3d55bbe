"""A real, private Dovecot per test (Debian's): import the fixture `dovecot` into a conftest or a test file."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType

import pytest
import pytest_asyncio

from services.all_in_one.demo.dovecot import BINARY, Dovecot
from tests.support.canary import secret

USERS = {"support@desk.example": secret("correct horse"), "requests@desk.example": secret('with "quotes" and \\')}
"""Two users; the second one's password needs quoting on the wire."""


class ShortLived(Dovecot):
    """A server whose mail nobody needs afterwards: killed at the end, for in order it takes a second to stop."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()


@pytest_asyncio.fixture
async def dovecot(tmp_path: Path) -> AsyncIterator[Dovecot]:
    """A running Dovecot with the users of USERS and empty mailboxes."""
    if not BINARY.exists():
        pytest.skip("Dovecot is not installed (apt-get install dovecot-imapd)")
    async with ShortLived(tmp_path / "dovecot", USERS) as server:
        yield server
