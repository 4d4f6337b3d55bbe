"""Signing in to SMTP (RFC 4954) with a password or an access token. Never without TLS: the caller has seen to it."""

import base64

from aiosmtplib import SMTP
from aiosmtplib.response import SMTPResponse

from services.notifier.errors import AuthenticationRejected, ServerTrouble
from services.notifier.ports import Credentials
from services.notifier.smtp.replies import shown, speaking

_GO_ON = 334


async def sign_in(client: SMTP, credentials: Credentials, where: str) -> None:
    """Sign in by the strongest way that server and credentials share.

    Raises AuthenticationRejected, ServerTrouble, and what `credentials` raise.
    """
    offered = frozenset(one.upper() for one in client.server_auth_methods)
    secret = (await credentials.secret()).get_secret_value()
    with speaking("AUTH", where):
        if credentials.token:
            reply = await _xoauth2(client, credentials.user, secret, offered, where)
        elif "PLAIN" in offered:
            reply = await _say(client, b"AUTH", b"PLAIN", _packed(f"\0{credentials.user}\0{secret}"))
        elif "LOGIN" in offered:
            reply = await _login(client, credentials.user, secret)
        else:
            raise _no_way(where)
    if not 200 <= reply.code < 300:
        raise _denied(reply, where)


async def _xoauth2(client: SMTP, user: str, token: str, offered: frozenset[str], where: str) -> SMTPResponse:
    if "XOAUTH2" not in offered:
        raise _no_way(where)
    reply = await _say(client, b"AUTH", b"XOAUTH2", _packed(f"user={user}\x01auth=Bearer {token}\x01\x01"))
    return await _say(client, b"") if reply.code == _GO_ON else reply  # the challenge says why; the refusal follows


async def _login(client: SMTP, user: str, password: str) -> SMTPResponse:
    reply = await _say(client, b"AUTH", b"LOGIN")
    for word in (user, password):
        if reply.code == _GO_ON:
            reply = await _say(client, _packed(word))
    return reply


async def _say(client: SMTP, *words: bytes) -> SMTPResponse:
    return await client.execute_command(*words)


def _packed(text: str) -> bytes:
    return base64.b64encode(text.encode())


def _no_way(where: str) -> AuthenticationRejected:
    return AuthenticationRejected(
        "the server offers no way to sign in that fits the authentication type",
        where=where,
        remedy="use the port for sending (465 or 587), or give smtp credentials of its own",
        code="no_common_mechanism",
    )


def _denied(reply: SMTPResponse, where: str) -> AuthenticationRejected | ServerTrouble:
    if 400 <= reply.code < 500:
        return ServerTrouble(f"the server cannot sign us in now: {shown(reply)}", where=where, code="auth_unavailable")
    return AuthenticationRejected(
        f"the server refuses to sign us in: {shown(reply)}",
        where=where,
        remedy="correct user name and password, or switch authenticated SMTP on for this mailbox at its provider",
    )
