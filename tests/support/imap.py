"""Sessions to a test Dovecot, and mails to lay into it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from services.all_in_one.demo.dovecot import Dovecot
from services.fetcher.imap.session import Opener, Patience, Session
from shared.domain.mailbox import Encryption, Imap
from tests.support.dovecot import USERS

USER = "support@desk.example"
PASSWORD = USERS[USER]


def imap_of(server: Dovecot, encryption: Encryption = Encryption.IMPLICIT_TLS, **given: object) -> Imap:
    """How to reach this server; `given` replaces fields."""
    port = server.tls_port if encryption is Encryption.IMPLICIT_TLS else server.starttls_port
    fields = {"host": server.host, "port": port, "encryption": encryption, "ca_file": str(server.ca_file), **given}
    return Imap.model_validate(fields)


@asynccontextmanager
async def logged_in(imap: Imap, user: str = USER, password: str = PASSWORD) -> AsyncIterator[Session]:
    """A session, closed at the end."""
    session = await Opener(Patience(connect=10, command=10))(imap, user, SecretStr(password))
    try:
        yield session
    finally:
        await session.close()


def mail(number: int, body: str = "Hello\r\n", sender: str = "ann@people.example") -> bytes:
    """A small mail that tells itself from the others by its number."""
    return (
        f"From: Ann <{sender}>\r\nTo: {USER}\r\nSubject: Mail {number}\r\n"
        f"Message-ID: <{number}@people.example>\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\n\r\n{body}"
    ).encode()
