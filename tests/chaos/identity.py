"""The world's identity provider, and what Dovecot and the services must know to use it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.identity import Provider, token_check
from tests.support.sign_ins import register


@dataclass(frozen=True)
class Tokens:
    """Configuration of Dovecot (`extra`), and settings of the services. Patience is short."""

    dovecot: str
    environ: Mapping[str, str]


@asynccontextmanager
async def identity(folder: Path) -> AsyncIterator[tuple[Provider, Tokens]]:
    """Running, with one public client. To Dovecot a user is the local part: a mailbox signs in with its address."""
    provider = Provider(folder / "identity")
    register(provider)
    provider.start()
    environ = {
        "MAIL_AUTOMATOR_OAUTH_AUTHORITIES": provider.authority,
        "MAIL_AUTOMATOR_OAUTH_CA_FILE": str(provider.certificates.ca_file),
        "MAIL_AUTOMATOR_OAUTH_TIMEOUT_SECONDS": "3",
    }
    try:
        with token_check(provider) as extra:
            yield provider, Tokens(f"{extra}auth_username_format = %n\n", environ)
    finally:
        provider.stop()
