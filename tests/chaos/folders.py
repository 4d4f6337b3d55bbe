"""What lies in a mailbox, as its server lists it: UIDVALIDITY and UIDs of INBOX. Past the proxies, read-only."""

import asyncio
import imaplib
import ssl

from services.all_in_one.demo.dovecot import Dovecot


async def uids(dovecot: Dovecot, user: str) -> tuple[int, tuple[int, ...]]:
    """UIDVALIDITY and every UID. Raises OSError or imaplib.IMAP4.error while the server is away."""
    return await asyncio.to_thread(_uids, dovecot, user)


def _uids(dovecot: Dovecot, user: str) -> tuple[int, tuple[int, ...]]:
    context = ssl.create_default_context(cafile=str(dovecot.ca_file))
    with imaplib.IMAP4_SSL(dovecot.host, dovecot.tls_port, ssl_context=context, timeout=20) as server:
        server.login(user, dovecot.users[user])
        server.select("INBOX", readonly=True)
        _, (validity,) = server.response("UIDVALIDITY")
        _, (listed,) = server.uid("SEARCH", "ALL")
        return int(validity), tuple(map(int, listed.split()))
