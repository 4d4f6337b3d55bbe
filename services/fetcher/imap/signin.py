"""Signing in with user name and password, the strongest way the server offers. Never without TLS."""

import base64
from collections.abc import Sequence

from aioimaplib import quoted
from pydantic import SecretStr

from services.fetcher.errors import AuthenticationRejected, ServerTrouble
from services.fetcher.imap.classify import login_refused
from services.fetcher.imap.parse import capabilities
from services.fetcher.imap.wire import Answer, Wire


async def sign_in(wire: Wire, login: str, password: SecretStr) -> frozenset[str]:
    """AUTHENTICATE PLAIN (RFC 4616) if offered, else LOGIN; the capabilities afterwards.

    The wire must be protected already. Raises AuthenticationRejected, Throttled, ServerTrouble, NetworkTrouble.
    """
    offered = await read_capabilities(wire)
    answer = await _plain(wire, offered, login, password) if "AUTH=PLAIN" in offered else None
    if answer is None:
        answer = await login_command(wire, offered, login, password)
    if not answer.ok:
        raise login_refused(answer.text, wire.where)
    wire.authenticated()
    return await read_capabilities(wire)


async def read_capabilities(wire: Wire) -> frozenset[str]:
    """Ask for the capabilities: they change with the login, and not every server volunteers them."""
    answer = await wire.run("CAPABILITY")
    found = capabilities(answer.untagged)
    if not answer.ok or found is None:
        raise ServerTrouble("the server does not name its capabilities", where=wire.where)
    return found


async def _plain(wire: Wire, offered: frozenset[str], login: str, password: SecretStr) -> Answer:
    packed = base64.b64encode(f"\0{login}\0{password.get_secret_value()}".encode())
    if "SASL-IR" in offered:
        return await wire.run("AUTHENTICATE", "PLAIN", packed.decode("ascii"))
    return await wire.run("AUTHENTICATE", "PLAIN", replies=[packed])


async def login_command(wire: Wire, offered: frozenset[str], login: str, password: SecretStr) -> Answer:
    """LOGIN, unless the server forbids it: then AuthenticationRejected, and nothing is sent."""
    if "LOGINDISABLED" in offered:
        raise AuthenticationRejected(
            "the server offers neither AUTH=PLAIN nor LOGIN",
            where=wire.where,
            remedy="it wants another way to sign in, such as OAuth 2.0: see the mailbox's authentication type",
            code="no_common_mechanism",
        )
    words = (login, password.get_secret_value())
    if all(word.isascii() for word in words):
        return await wire.run("LOGIN", *(quoted(word) for word in words))
    return await _login_by_literals(wire, [word.encode() for word in words])


async def _login_by_literals(wire: Wire, words: Sequence[bytes]) -> Answer:
    """A quoted string holds ASCII only; a literal holds anything (RFC 3501 section 4.3)."""
    first, second = words
    return await wire.run("LOGIN", f"{{{len(first)}}}", replies=[first + b" {%d}" % len(second), second])
