"""Test connection: the checklist, and how it is walked. Streamed; read-only; at most TOTAL_SECONDS.

The first failing step ends its chain; SMTP is tested also if IMAP failed. Says no secret, whatever a server repeats.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from services.console.probe import imap, network, smtp
from services.console.probe.addresses import Rules
from services.console.probe.conversation import Conversation, server_of
from services.console.probe.credentials import Credentials, uses_token
from services.console.probe.steps import Chain, Outcome, StepFailed, StepResult
from shared.domain.errors import AutomatorError
from shared.domain.mailbox import Encryption, Mailbox, OAuth2MicrosoftAuth

TOTAL_SECONDS: Final = 30.0
STEP_SECONDS: Final = 8.0


class Clock(Protocol):
    """For milliseconds and the deadline."""

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the checklist: its name, and what it does. Returns a sentence or raises StepFailed."""

    name: str
    run: Callable[[Conversation], Awaitable[str]]


async def _resolve(talk: Conversation) -> str:
    talk.addresses = await network.resolve(server_of(talk), talk.rules)
    return f"{server_of(talk).host} is at {', '.join(map(str, talk.addresses))}."


async def _connect(talk: Conversation) -> str:
    server = server_of(talk)
    talk.connected = await network.connect(server, talk.addresses, talk.rules)
    if server.encryption is Encryption.STARTTLS:
        connected, talk.connected = talk.connected, None
        await talk.wire.open(connected, None, server.host)
    return f"Port {server.port} answers."


async def _tls(talk: Conversation) -> str:
    connected, talk.connected = talk.connected, None
    return await network.protect(talk.wire, server_of(talk), connected)


async def _token(talk: Conversation) -> str:
    await talk.token()
    return "Microsoft issued an access token."


STEPS: Final = {
    (Chain.IMAP, Encryption.IMPLICIT_TLS): (
        Step("resolve", _resolve),
        Step("connect", _connect),
        Step("tls", _tls),
        Step("greeting", imap.greeting),
        Step("capabilities", imap.capability),
        Step("token", _token),
        Step("authenticate", imap.authenticate),
        Step("folder", imap.folder),
    ),
    (Chain.IMAP, Encryption.STARTTLS): (
        Step("resolve", _resolve),
        Step("connect", _connect),
        Step("greeting", imap.greeting),
        Step("tls", imap.starttls),
        Step("capabilities", imap.capability),
        Step("token", _token),
        Step("authenticate", imap.authenticate),
        Step("folder", imap.folder),
    ),
    (Chain.SMTP, Encryption.IMPLICIT_TLS): (
        Step("resolve", _resolve),
        Step("connect", _connect),
        Step("tls", _tls),
        Step("greeting", smtp.greeting),
        Step("ehlo", smtp.ehlo),
        Step("authenticate", smtp.authenticate),
    ),
    (Chain.SMTP, Encryption.STARTTLS): (
        Step("resolve", _resolve),
        Step("connect", _connect),
        Step("greeting", smtp.greeting),
        Step("tls", smtp.starttls),
        Step("ehlo", smtp.ehlo),
        Step("authenticate", smtp.authenticate),
    ),
}
"""Every step, in the order of the wire: with STARTTLS the greeting comes before TLS. `token` is for OAuth 2.0 only."""


def steps_of(mailbox: Mailbox, chain: Chain) -> tuple[Step, ...]:
    """The steps of one chain for this mailbox; none for SMTP if it has no SMTP server."""
    server = mailbox.spec.imap if chain is Chain.IMAP else mailbox.spec.smtp
    if server is None:
        return ()
    oauth = isinstance(mailbox.spec.auth, OAuth2MicrosoftAuth) and uses_token(mailbox, chain)
    return tuple(step for step in STEPS[chain, server.encryption] if oauth or step.name != "token")


async def probe(
    mailbox: Mailbox, credentials: Credentials, rules: Rules, clock: Clock, *, total_seconds: float = TOTAL_SECONDS
) -> AsyncGenerator[StepResult]:
    """Walk the checklist; each result comes as soon as its step has ended. Never raises for what a server does."""
    deadline = clock.monotonic() + total_seconds
    for chain in Chain:
        talk = Conversation(mailbox, chain, rules, credentials)
        try:
            async for result in _walk(talk, clock, deadline):
                yield result
        finally:
            talk.close()


async def _walk(talk: Conversation, clock: Clock, deadline: float) -> AsyncIterator[StepResult]:
    failed = ""
    for step in steps_of(talk.mailbox, talk.chain):
        if failed:
            sentence = f"Not tried, because {failed} failed."
            yield StepResult(chain=talk.chain, name=step.name, outcome=Outcome.SKIPPED, sentence=sentence)
            continue
        result = await _take(talk, step, clock, deadline)
        yield result
        failed = step.name if result.outcome is Outcome.FAILED else ""


async def _take(talk: Conversation, step: Step, clock: Clock, deadline: float) -> StepResult:
    began = clock.monotonic()
    failure: StepFailed | None = None
    sentence = ""
    try:
        async with asyncio.timeout(max(0.0, min(STEP_SECONDS, deadline - began))):
            sentence = await step.run(talk)
    except StepFailed as error:
        failure = error
    except AutomatorError as error:
        remedy = error.remedy or "Correct the mailbox's configuration."
        failure = StepFailed(error.code.upper(), f"{_capital(error.what)}.", _capital(remedy))
    except TimeoutError:
        failure = _silent(step, talk)
    except OSError as error:
        remedy = "Test again; if it stays, check port and encryption."
        failure = StepFailed("CONNECTION_LOST", f"The connection was lost ({type(error).__name__}).", remedy)
    except Exception as error:  # noqa: BLE001 - a test answers, whatever happens; the words may hold a secret
        structlog.get_logger(__name__).error("probe_failed", step=step.name, kind=type(error).__name__)
        failure = StepFailed("INTERNAL", f"The test itself failed ({type(error).__name__}).", "Please report this.")
    return _result(talk, step, round((clock.monotonic() - began) * 1000), sentence, failure)


def _result(talk: Conversation, step: Step, took: int, sentence: str, failure: StepFailed | None) -> StepResult:
    common = {"chain": talk.chain, "name": step.name, "milliseconds": took}
    if failure is None:
        return StepResult.model_validate({**common, "outcome": Outcome.OK, "sentence": sentence})
    code = f"{talk.chain.value.upper()}_{failure.code}"
    words = {"sentence": failure.sentence, "remedy": failure.remedy, "code": code}
    return StepResult.model_validate({**common, "outcome": Outcome.FAILED, **words})


def _silent(step: Step, talk: Conversation) -> StepFailed:
    other = "SSL (implicit TLS)" if server_of(talk).encryption is Encryption.STARTTLS else "TLS (starttls)"
    remedy = "Test again in some minutes; check that the server is up."
    if step.name in ("greeting", "tls"):
        remedy = f"The port may want the other encryption: try {other}, or the port that belongs to this one."
    return StepFailed("NO_ANSWER", f"The server did not answer in time ({step.name}).", remedy)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
