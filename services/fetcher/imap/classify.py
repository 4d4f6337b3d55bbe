"""A server's refusal, by what it means (reliability, "Connect, reconnect, error classes"). Pure."""

import re

from services.fetcher.errors import AuthenticationRejected, ServerTrouble, Throttled
from services.fetcher.imap.parse import code
from services.fetcher.imap.wire import shown
from shared.domain.errors import AutomatorError

_AUTH_CODES = frozenset({"AUTHENTICATIONFAILED", "EXPIRED", "AUTHORIZATIONFAILED", "PRIVACYREQUIRED", "CONTACTADMIN"})
_BUSY_CODES = frozenset({"UNAVAILABLE", "INUSE", "SERVERBUG", "CORRUPTION"})
_LIMIT_CODES = frozenset({"LIMIT", "OVERQUOTA"})
_SUGGESTED = re.compile(r"suggested backoff time:?\s*(\d+)", re.IGNORECASE)
_LIMIT_WORDS = re.compile(r"too many|bandwidth|throttl|rate limit|exceeded", re.IGNORECASE)
_BUSY_WORDS = re.compile(r"temporar|try again|later|unavailable|internal|timed? ?out|server error", re.IGNORECASE)

_NOT_CONNECTED = re.compile(r"authenticated but not connected", re.IGNORECASE)

LIMIT_SECONDS = 15 * 60.0
USUAL_REMEDY = "correct user name and password; some providers want an app password, or IMAP switched on"


def throttled(text: bytes, where: str) -> Throttled | None:
    """Throttled if these words ask us to wait: Exchange gives milliseconds, others a code or plain words."""
    words = shown(text)
    if match := _SUGGESTED.search(words):
        return Throttled(f"the server asks us to wait: {words}", seconds=int(match.group(1)) / 1000, where=where)
    if code(text)[0] in _LIMIT_CODES or _LIMIT_WORDS.search(words):
        remedy = "fewer connections to this account; other mail programs count too"
        return Throttled(f"the server's limit is reached: {words}", seconds=LIMIT_SECONDS, where=where, remedy=remedy)
    return None


def login_refused(text: bytes, where: str, remedy: str = USUAL_REMEDY) -> AutomatorError:
    """What a NO to LOGIN or AUTHENTICATE means. Without a hint that it is temporary, the password is refused."""
    words, name = shown(text), code(text)[0]
    if name not in _AUTH_CODES:
        if (wait := throttled(text, where)) is not None:
            return wait
        if name in _BUSY_CODES or _BUSY_WORDS.search(words):
            return ServerTrouble(f"the server cannot log us in now: {words}", where=where, code="login_unavailable")
    return AuthenticationRejected(f"the server refuses user name or password: {words}", where=where, remedy=remedy)


def refused(command: str, text: bytes, where: str) -> AutomatorError:
    """What a NO or BAD to any other command means.

    Exchange Online accepts any good token and says only now that it gives no access to this mailbox.
    """
    if _NOT_CONNECTED.search(shown(text)):
        return AuthenticationRejected(
            f"the server accepts the sign-in but opens no mailbox for it: {shown(text)}",
            where=where,
            remedy="give the application's service principal FullAccess on the mailbox (Add-MailboxPermission), switch "
            "IMAP on for it (Set-CASMailbox -ImapEnabled $true), and see that it exists and has a licence",
            code="mailbox_not_permitted",
        )
    return throttled(text, where) or ServerTrouble(f"the server refused {command}: {shown(text)}", where=where)
