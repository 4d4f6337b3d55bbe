"""Signing in, the strongest way that the server offers and the mailbox has. Never without TLS.

Which way that is, `shared.sasl.choose` decides. The AUTHENTICATE is our own: aioimaplib never answers a refused
challenge and runs into a time-out (library-notes, 7), and it logs tokens and passwords (8). IMAP's own LOGIN command
is the last resort.
"""

import structlog

from services.fetcher.errors import AuthenticationRejected, EncryptionMissing, ServerTrouble
from services.fetcher.imap.classify import USUAL_REMEDY, login_refused
from services.fetcher.imap.parse import capabilities
from services.fetcher.imap.wire import Answer, Wire
from services.fetcher.imap.xoauth2 import token_refused
from shared.domain.errors import AutomatorError
from shared.sasl.choose import mechanisms
from shared.sasl.handshake import Handshake
from shared.sasl.imap_login import login_command
from shared.sasl.remedies import odd_password, other_form
from shared.sasl.values import Credentials, Kind, Peer

log = structlog.get_logger(__name__)


async def sign_in(wire: Wire, host: str, kind: Kind, credentials: Credentials) -> frozenset[str]:
    """Sign in to the server that was verified as `host`; the capabilities afterwards.

    A mechanism that the server offers but cannot do is passed over, with a warning; a refusal of user and password is
    final. Raises AuthenticationRejected, Throttled, ServerTrouble, NetworkTrouble, EncryptionMissing,
    ConfigurationError.
    """
    certificate = wire.certificate
    if certificate is None:
        raise EncryptionMissing("no TLS: nobody signs in without it", where=wire.where)
    offered = await read_capabilities(wire)
    peer = Peer("imap", host, certificate)
    ways = frozenset(one.removeprefix("AUTH=") for one in offered if one.startswith("AUTH="))
    refusal: AutomatorError | None = None
    for mechanism in mechanisms(kind, ways, credentials, peer):
        refusal = await _authenticate(wire, Handshake(mechanism), "SASL-IR" in offered, kind, credentials)
        if refusal is None:
            break
    else:
        await _by_command(wire, offered, kind, credentials, refusal)
    wire.authenticated()
    return await read_capabilities(wire)


async def read_capabilities(wire: Wire) -> frozenset[str]:
    """Ask for the capabilities: they change with the login, and not every server volunteers them."""
    answer = await wire.run("CAPABILITY")
    found = capabilities(answer.untagged)
    if not answer.ok or found is None:
        raise ServerTrouble("the server does not name its capabilities", where=wire.where)
    return found


async def _authenticate(
    wire: Wire, handshake: Handshake, sasl_ir: bool, kind: Kind, credentials: Credentials
) -> AuthenticationRejected | None:
    """None if this mechanism signs us in; its refusal, returned if another may be tried and raised if it is final."""
    arguments = handshake.imap_arguments(sasl_ir=sasl_ir)
    answer = await wire.run("AUTHENTICATE", *arguments, reply=handshake.answer)
    if answer.ok:
        return None
    refusal = _refusal(wire, kind, credentials, answer)
    if handshake.judged or not isinstance(refusal, AuthenticationRejected):
        raise refusal
    log.warning("mechanism_failed", server=wire.where, mechanism=handshake.name, remedy="switch it off at the server")
    return refusal


async def _by_command(
    wire: Wire, offered: frozenset[str], kind: Kind, credentials: Credentials, refusal: AutomatorError | None
) -> None:
    """LOGIN with a password, unless the server forbids it: then nothing is sent, and an earlier refusal stands."""
    if kind is Kind.TOKEN or "LOGINDISABLED" in offered:
        raise refusal or _no_way(wire.where, kind)
    arguments, reply = login_command(credentials)
    answer = await wire.run("LOGIN", arguments, reply=reply)
    if not answer.ok:
        raise _refusal(wire, kind, credentials, answer)


def _refusal(wire: Wire, kind: Kind, credentials: Credentials, answer: Answer) -> AutomatorError:
    if kind is Kind.TOKEN:
        return token_refused(answer, wire.where)
    remedy = USUAL_REMEDY
    if kind is Kind.EXCHANGE:
        remedy = (
            f"correct the password, {other_form(credentials.user)} (auth.domainUser); IMAP must be switched on for "
            "this mailbox; where Extended Protection is required, no proxy before the server may end TLS"
        )
    return login_refused(answer.text, wire.where, "; ".join(filter(None, (remedy, odd_password(credentials)))))


def _no_way(where: str, kind: Kind) -> AuthenticationRejected:
    if kind is Kind.TOKEN:
        what = "the server does not offer XOAUTH2"
        remedy = "check imap.host (outlook.office365.com), or choose another authentication type"
    else:
        what = "the server offers no way to sign in with a password"
        remedy = "it wants another way to sign in, such as OAuth 2.0: see the mailbox's authentication type"
    return AuthenticationRejected(what, where=where, remedy=remedy, code="no_common_mechanism")
