"""Parses a micro-batch, asks the rules, writes rejections, passes the rest on.

Gather (raw, parse, configuration, fingerprints) -> decide (pure) -> apply (decisions by compare-and-set).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.filter import fingerprints
from services.filter.decide import FilterDecision, gather, overrule, screen, settle
from services.filter.ports import Clock, Configuration, Fingerprints, Ledger, Parser, RawMails
from services.filter.rules.rule import Facts
from shared.broker.messages import Outgoing, owed
from shared.broker.topology import MAIL
from shared.contracts.codec import encode
from shared.contracts.events import mail_rejected
from shared.contracts.messages import EmailAccepted, EmailFetched
from shared.domain.decision import Decision, Kind, Reason, Revisions, Step, Verdict, by_version
from shared.domain.email import Email
from shared.domain.errors import AutomatorError, OtherMailbox, Permanent
from shared.domain.ledger import DecisionWrite, LedgerEntry
from shared.domain.mailbox import Mailbox, Module
from shared.domain.marks import Marks
from shared.domain.ticket import OutboxEvent
from shared.mail.authentication import judge
from shared.mail.flags import Flag
from shared.observability.crash_points import crash_point
from shared.runtime.consume.outcome import Outcome, Result
from shared.store.fingerprints import Claim

_SUPERSEDED = Outcome("superseded", "superseded")
"""A message of a mail that was quarantined or replayed meanwhile: it decides nothing."""

ORIGINAL_ON_SERVER = Flag.ORIGINAL_LEFT_ON_SERVER.value
"""The flag of a mail over the fetcher's limit: the ticket has its beginning, the whole lies in the mailbox."""


@dataclass(slots=True)
class Judged:
    """A mail on its way through the rules. `mailbox` is None if it was deleted meanwhile."""

    message: EmailFetched
    email: Email
    mailbox: Mailbox | None
    facts: Facts
    decision: FilterDecision


class Filter:
    """The handler of email.fetched."""

    def __init__(
        self,
        parser: Parser,
        raw: RawMails,
        ledger: Ledger,
        claims: Fingerprints,
        configuration: Configuration,
        clock: Clock,
        event_source: str,
        marks: Marks,
    ) -> None:
        self._parser = parser
        self._raw = raw
        self._ledger = ledger
        self._claims = claims
        self._configuration = configuration
        self._clock = clock
        self._source = event_source
        self._marks = marks

    async def handle(self, messages: Sequence[EmailFetched]) -> Sequence[Result]:
        """Judge each mail; rejections are written before this returns."""
        unique = {one.mail_id: one for one in messages}
        results: dict[str, Result] = {}
        judged: list[Judged] = []
        for message, email in await self._parse(list(unique.values())):
            if isinstance(email, AutomatorError):
                results[message.mail_id] = email
            else:
                judged.append(await self._screen(message, email))
        await self._settle(judged)
        results |= await self._apply(judged)
        return [results[one.mail_id] for one in messages]

    async def settle(self, messages: Sequence[EmailFetched], outcomes: Sequence[Result]) -> None:
        """Note in the ledger that the events of rejections have been published."""
        rejected = [
            (message.mail_id, message.decision_version)
            for message, outcome in zip(messages, outcomes, strict=True)
            if isinstance(outcome, Outcome) and outcome.label == Kind.REJECTED.value and outcome.publish
        ]
        for version, mail_ids in by_version(rejected).items():
            await self._ledger.mark_done(mail_ids, version)

    async def _parse(self, messages: Sequence[EmailFetched]) -> list[tuple[EmailFetched, Email | AutomatorError]]:
        """Each mail with its normalised form; one without raw bytes, or that kills its parser, with its error."""
        found: list[tuple[EmailFetched, Email | AutomatorError]] = []
        readable: list[tuple[EmailFetched, bytes]] = []
        for message in messages:
            try:
                readable.append(
                    (message, message.raw if message.raw is not None else await self._raw.get(message.mail_id))
                )
            except Permanent as error:
                found.append((message, error))
        emails = await self._parser.parse([raw for _, raw in readable])
        parsed = zip(readable, emails, strict=True)
        return [*found, *((message, _marked(email, message, raw)) for (message, raw), email in parsed)]

    async def _screen(self, message: EmailFetched, email: Email) -> Judged:
        mailbox = await self._configuration.mailbox(message.mailbox)
        if mailbox is None:
            return Judged(message, email, None, Facts(), _MAILBOX_DELETED)
        email = email.model_copy(update={"authentication": judge(email, mailbox.spec)})
        facts = gather(email, self._configuration.snapshot.own_addresses, self._marks)
        if facts.forged_mark:
            email = _flagged(email, Flag.FORGED_MARK)
        decision = overrule(screen(email, mailbox, facts), message.overruling)
        return Judged(message, email, mailbox, facts, decision)

    async def _settle(self, judged: Sequence[Judged]) -> None:
        """The second beat, for mail that was not rejected: claim its fingerprints where its mailbox asks for that."""
        passed = [(one, one.mailbox) for one in judged if one.mailbox is not None and one.decision.rejected is None]
        owners = await self._owners([(one, mailbox) for one, mailbox in passed if fingerprints.needed(mailbox)])
        for one, mailbox in passed:
            one.facts = replace(one.facts, duplicate_of=owners.get(one.message.mail_id))
            one.decision = settle(one.decision, one.email, mailbox, one.facts)

    async def _owners(self, mails: Sequence[tuple[Judged, Mailbox]]) -> dict[str, str]:
        """Which mail each of these repeats, for those that repeat one.

        In two rounds: who lost the first (Message-ID and content) claims nothing in the second, so that two copies
        never end as each other's original.
        """
        repeats: dict[str, str] = {}
        for windowed in (False, True):
            claims = [
                Claim(key=key.key, mail_id=one.message.mail_id, at=one.message.received_at, window=key.window(mailbox))
                for one, mailbox in mails
                if one.message.mail_id not in repeats
                for key in fingerprints.keys(mailbox.name, one.email, answers_ours=one.facts.answers_ours)
                if key.windowed is windowed
            ]
            owners = await self._claims.owners(claims) if claims else ()
            crash_point("filter.after_claims")
            repeats |= {one.mail_id: owner for one, owner in zip(claims, owners, strict=True) if owner != one.mail_id}
        return repeats

    async def _apply(self, judged: Sequence[Judged]) -> dict[str, Result]:
        writes = {one.message.mail_id: self._rejection(one) for one in judged if one.decision.rejected is not None}
        standing = await self._ledger.decide_many(list(writes.values())) if writes else {}
        if writes:
            crash_point("filter.after_decisions")
        known = await self._ledger.get_many(writes.keys() - standing.keys()) if len(standing) < len(writes) else {}
        undecided = {
            one.message.mail_id: _undecided(one, known[one.message.mail_id])
            for one in judged
            if one.message.mail_id in known
        }
        return undecided | {
            one.message.mail_id: self._result(one, one.message.mail_id in writes, standing.get(one.message.mail_id))
            for one in judged
            if one.message.mail_id not in known
        }

    def _rejection(self, one: Judged) -> DecisionWrite:
        message, judgement = one.message, one.decision
        decision = Decision(
            kind=Kind.REJECTED,
            reason=judgement.rejected or Reason.MAILBOX_DELETED,
            sentence=judgement.sentence,
            revisions=Revisions(mailbox=one.mailbox.revision if one.mailbox else 0),
            version=message.decision_version,
            decided_at=self._clock.now(),
        )
        event = self._event(one, decision)
        return DecisionWrite(
            mail_id=message.mail_id,
            decision=decision,
            trace=judgement.trace,
            outbox=(event,),
            mailbox=message.mailbox,
        )

    def _event(self, one: Judged, decision: Decision) -> OutboxEvent:
        message = one.message
        return mail_rejected(
            message.mail_id, message.mailbox, one.email.message_id, message.received_at, decision, self._source
        )

    def _result(self, one: Judged, rejected: bool, standing: Decision | None) -> Result:
        """What becomes of a mail. A decision that was there before stands, whatever the rules say today, and the event
        tells of the one that stands."""
        if rejected and standing is None:
            return Permanent("the ledger does not know this mail", code="unknown_mail")
        if standing is not None and standing.kind is Kind.REJECTED:
            return Outcome(Kind.REJECTED.value, standing.reason.value, (owed(self._event(one, standing)),))
        return Outcome("accepted", "", (Outgoing(MAIL, EmailAccepted.TYPE, encode(_accepted(one))),))


def _undecided(one: Judged, entry: LedgerEntry) -> Result:
    """What becomes of a mail that is in the books and did not take its rejection."""
    return _SUPERSEDED if entry.origin.mailbox == one.message.mailbox else OtherMailbox("filter")


def _marked(email: Email | AutomatorError, message: EmailFetched, raw: bytes) -> Email | AutomatorError:
    """A mail of which only the beginning was taken says so: its size is the whole mail's."""
    if isinstance(email, AutomatorError) or message.size <= len(raw):
        return email
    return _flagged(email, ORIGINAL_ON_SERVER).model_copy(update={"size": message.size})


def _flagged(email: Email, flag: str) -> Email:
    return email.model_copy(update={"flags": (*email.flags, str(flag))})


_MAILBOX_DELETED = FilterDecision(
    rejected=Reason.MAILBOX_DELETED,
    sentence="The mailbox was deleted while the mail was in flight.",
    duplicate_of=None,
    trace=(
        Step(
            stage="filter",
            rule=Reason.MAILBOX_DELETED.value,
            verdict=Verdict.REJECTED,
            sentence="The mailbox was deleted while the mail was in flight.",
        ),
    ),
)


def _trace(one: Judged) -> tuple[Step, ...]:
    if ORIGINAL_ON_SERVER not in one.email.flags:
        return one.decision.trace
    sentence = f"Of its {one.message.size} bytes only the beginning was taken; the whole lies in the mailbox."
    cut = Step(stage="fetcher", rule=Reason.TOO_LARGE.value, verdict=Verdict.PASSED, sentence=sentence)
    return (cut, *one.decision.trace)


def _accepted(one: Judged) -> EmailAccepted:
    message = one.message
    return EmailAccepted(
        mail_id=message.mail_id,
        mailbox=message.mailbox,
        received_at=message.received_at,
        fetched_at=message.fetched_at,
        decision_version=message.decision_version,
        imported=message.imported,
        module=one.mailbox.spec.module if one.mailbox else Module.TICKET,
        mailbox_revision=one.mailbox.revision if one.mailbox else 0,
        email=one.email,
        trace=_trace(one),
        duplicate_of=one.decision.duplicate_of,
    )
