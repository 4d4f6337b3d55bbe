"""The world's identity provider, and what Dovecot and the services must know to use it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.identity import PUBLIC, Client, Provider, token_check

CLIENT = "app-chaos"
"""A registered application: a public client, for which people sign in."""


@dataclass(frozen=True)
class Tokens:
    """Configuration of Dovecot (`extra`), and settings of the services."""

    dovecot: str
    environ: Mapping[str, str]


@asynccontextmanager
async def identity(folder: Path) -> AsyncIterator[tuple[Provider, Tokens]]:
    """Running. Dovecot's users are the local parts of addresses, since a mailbox signs in with its own."""
    provider = Provider(folder / "identity", {CLIENT: Client(PUBLIC, "")})
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
