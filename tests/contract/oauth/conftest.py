"""Fixtures: the identity provider, and a Dovecot that checks tokens there."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from services.all_in_one.demo.dovecot import BINARY, Dovecot
from tests.support.canary import secret
from tests.support.dovecot import USERS, ShortLived
from tests.support.identity import Client, Provider, token_check
from tests.support.imap import USER

SECRET = secret("the right~value")


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    """Running, with one application that may read USER's mailbox."""
    made = Provider(tmp_path / "identity", {"app-1": Client(SECRET, USER)})
    made.start()
    yield made
    made.stop()


@pytest_asyncio.fixture
async def mail_server(tmp_path: Path, provider: Provider) -> AsyncIterator[Dovecot]:
    """Takes passwords and tokens."""
    if not BINARY.exists():
        pytest.skip("Dovecot is not installed (apt-get install dovecot-imapd)")
    with token_check(provider) as extra:
        async with ShortLived(tmp_path / "dovecot", USERS, extra=extra) as server:
            yield server
