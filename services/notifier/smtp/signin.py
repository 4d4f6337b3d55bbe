"""Signing in to SMTP (RFC 4954), the strongest way that the server offers and the mailbox has. Never without TLS.

Which way that is, `shared.sasl.choose` decides, as for IMAP and for the test of a mailbox.
"""

import ssl
from typing import cast

import structlog
from aiosmtplib import SMTP
from aiosmtplib.response import SMTPResponse

from services.notifier.errors import AuthenticationRejected, EncryptionMissing, ServerTrouble
from services.notifier.ports import Identity
from services.notifier.smtp.replies import shown, speaking
from shared.sasl.choose import choose, mechanisms
from shared.sasl.handshake import Handshake
from shared.sasl.values import Credentials, Kind, Peer

log = structlog.get_logger(__name__)

_GO_ON = 334
_ROUNDS_MAX = 10


async def sign_in(client: SMTP, host: str, identity: Identity, where: str) -> None:
    """Sign in to the server that was verified as `host`.

    A mechanism that the server offers but cannot do is passed over, with a warning; a refusal of user and secret is
    final. Raises AuthenticationRejected, ServerTrouble, EncryptionMissing, and what `identity` raises.
    """
    session = cast("ssl.SSLObject | None", client.get_transport_info("ssl_object"))
    if session is None:
        raise EncryptionMissing("no TLS: nobody signs in without it", where=where)
    offered = frozenset(one.upper() for one in client.server_auth_methods)
    if not choose(identity.kind, offered):
        raise _no_way(where)
    credentials = Credentials(identity.user, await identity.secret())
    peer = Peer("smtp", host, session.getpeercert(binary_form=True))
    refusal = _no_way(where)
    for mechanism in mechanisms(identity.kind, offered, credentials, peer):
        handshake = Handshake(mechanism)
        reply = await _run(client, handshake, where)
        if 200 <= reply.code < 300:
            return
        refusal = _denied(reply, identity.kind, where)
        if handshake.judged:
            break
        log.warning("mechanism_failed", server=where, mechanism=handshake.name, remedy="switch it off at the server")
    raise refusal


async def _run(client: SMTP, handshake: Handshake, where: str) -> SMTPResponse:
    with speaking("AUTH", where):
        reply = await client.execute_command(handshake.smtp_command())
        for _ in range(_ROUNDS_MAX):
            if reply.code != _GO_ON:
                break
            challenge = reply.message.encode("utf-8", "surrogateescape")
            reply = await client.execute_command(handshake.answer(challenge))
    if 400 <= reply.code < 500:
        raise ServerTrouble(f"the server cannot sign us in now: {shown(reply)}", where=where, code="auth_unavailable")
    return reply


def _no_way(where: str) -> AuthenticationRejected:
    return AuthenticationRejected(
        "the server offers no way to sign in that fits the authentication type",
        where=where,
        remedy="use the port for sending (465 or 587), or give smtp credentials of its own",
        code="no_common_mechanism",
    )


def _denied(reply: SMTPResponse, kind: Kind, where: str) -> AuthenticationRejected:
    for_applications = (
        "the application needs SMTP.SendAsApp with admin consent, and authenticated SMTP switched on for the mailbox "
        "(Set-CASMailbox -SmtpClientAuthenticationDisabled $false)"
    )
    for_people = "correct user name and password, or switch authenticated SMTP on for this mailbox at its provider"
    return AuthenticationRejected(
        f"the server refuses to sign us in: {shown(reply)}",
        where=where,
        remedy=for_applications if kind is Kind.TOKEN else for_people,
        code="token_refused" if kind is Kind.TOKEN else None,
    )
