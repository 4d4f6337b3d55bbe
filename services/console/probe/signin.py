"""How a test signs in, at IMAP and SMTP alike: mechanism by mechanism, as `shared.sasl.choose` orders them.

The fetcher does the same, so that what passes here passes there.
"""

from collections.abc import Awaitable, Callable, Collection

from services.console.probe.conversation import Conversation
from services.console.probe.credentials import user_of
from services.console.probe.steps import StepFailed
from shared.sasl.choose import choose, mechanisms
from shared.sasl.handshake import Handshake
from shared.sasl.remedies import other_form
from shared.sasl.values import Credentials, Kind

Attempt = Callable[[Handshake], Awaitable[StepFailed | None]]
"""Runs one mechanism over the wire. Returns the refusal, if any; raises StepFailed if trying on makes no sense."""
LastResort = Callable[[Credentials], Awaitable[StepFailed | None]]
"""IMAP's LOGIN command."""


async def sign_in(
    talk: Conversation, offered: Collection[str], attempt: Attempt, otherwise: LastResort | StepFailed
) -> str:
    """Sign in the strongest way; a sentence that names it. Raises StepFailed, AutomatorError.

    A mechanism that the server offers but cannot do is passed over and named; a refusal of the secret is final.
    `otherwise` is done, or raised, where no mechanism is left.
    """
    if isinstance(otherwise, StepFailed) and not choose(talk.kind, offered):
        raise otherwise
    peer, credentials = talk.peer(), await talk.login()
    failed: dict[str, StepFailed] = {}
    for mechanism in mechanisms(talk.kind, offered, credentials, peer):
        handshake = Handshake(mechanism)
        refusal = await attempt(handshake)
        if refusal is None:
            return _signed_in(talk, credentials, handshake.name, failed)
        if handshake.judged:
            raise refusal
        failed[handshake.name] = refusal
    if isinstance(otherwise, StepFailed):
        raise [otherwise, *failed.values()][-1]
    if (refusal := await otherwise(credentials)) is not None:
        raise refusal
    return _signed_in(talk, credentials, "the LOGIN command", failed)


def hiding(talk: Conversation, handshake: Handshake) -> Callable[[bytes], bytes]:
    """The handshake's answers, each kept out of everything shown."""

    def reply(challenge: bytes) -> bytes:
        line = handshake.answer(challenge)
        talk.wire.hide(line.decode("ascii"))
        return line

    return reply


def denied(talk: Conversation, words: str, for_token: str, for_password: str) -> StepFailed:
    """User and secret are refused, in the server's `words`; what to do about it with a token, or with a password."""
    user = user_of(talk.mailbox, talk.chain)
    who = talk.wire.shown(user.encode())
    if talk.kind is Kind.TOKEN:
        return StepFailed("TOKEN_REFUSED", f'The server refuses a valid token for {who}: "{words}".', for_token)
    remedy = _for_exchange(talk, user) if talk.kind is Kind.EXCHANGE else for_password
    remark = f" Note: {talk.remark}." if talk.remark else ""
    return StepFailed("AUTH_DENIED", f'The server refuses user name or password of {who}: "{words}".', remedy + remark)


def _for_exchange(talk: Conversation, user: str) -> str:
    return (
        f"Correct the password, {other_form(user)}. {talk.chain.value.upper()} must be switched on for this mailbox; "
        "where Extended Protection is required, no proxy before the server may end TLS."
    )


def _signed_in(talk: Conversation, credentials: Credentials, how: str, failed: Collection[str]) -> str:
    who = talk.wire.shown(credentials.user.encode())
    broken = f" The server also offers {' and '.join(failed)}, which does not work there." if failed else ""
    return f"Signed in as {who} with {how}.{broken}"
