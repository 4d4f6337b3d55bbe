"""Sends mails that made no ticket through the pipeline again, or discards them: what would change is said first.

What is told beforehand comes from the code of production, on the raw mail, under the configuration of now. A mail is
parsed in a process of its own: it may be the one that kills its parser. Only mails that were rejected or are in
quarantine; one that became a ticket, a reply or a duplicate stays what it is. Every order is in the audit log.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from services.console import changes
from services.console.gone import raw_gone
from services.console.past import Past
from services.console.repeats import original_of
from services.console.rules import Rules, parsing, saved, tried
from services.console.trial import Letter
from services.filter.parser_pool import ParserPool
from shared.contracts.events import mail_rejected
from shared.domain.decision import Decision, Kind, Overruling, Reason, Revisions, Step, Verdict
from shared.domain.email import Email
from shared.domain.errors import AutomatorError, Permanent
from shared.domain.ledger import DecisionWrite, LedgerEntry, Replay, State
from shared.domain.mailbox import Mailbox
from shared.store.client import Store
from shared.store.failures import Conflict

WHY_LIMIT = 500
IMPOSSIBLE = "impossible"
QUARANTINED = "quarantined"


class NotReplayable(Permanent):
    """This mail cannot be sent again, or not be discarded; the words say why."""

    code = "not_replayable"


class NoReason(Permanent):
    """An order without a reason of one line."""

    code = "no_reason"


class UnknownMail(Permanent):
    """No such mail is in the books."""

    code = "unknown_mail"


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a mail is, and what it would become: a kind of decision, `quarantined`, or `impossible`, with its reason."""

    entry: LedgerEntry
    kind: str
    reason: str | None
    sentence: str

    @property
    def before(self) -> tuple[str, str | None]:
        """What it is now."""
        return outcome(self.entry)

    @property
    def changes(self) -> bool:
        """Whether sending it again makes a difference. For a mail in quarantine it always may."""
        return self.kind != IMPOSSIBLE and (self.before[0] == QUARANTINED or (self.kind, self.reason) != self.before)


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants it, and why, in a sentence."""

    who: str
    why: str
    as_ticket: bool = False


def reason_text(text: str) -> str:
    """Why somebody orders something, as the books keep it. Raises NoReason."""
    if not text.strip() or len(text) > WHY_LIMIT or not text.isprintable():
        raise NoReason(f"give a reason of one line, at most {WHY_LIMIT} characters")
    return text.strip()


def outcome(entry: LedgerEntry) -> tuple[str, str | None]:
    """How a mail stands: the kind and reason of its decision, or `quarantined` and the code of what went wrong."""
    if entry.state is State.QUARANTINED:
        return QUARANTINED, entry.failure.code if entry.failure else None
    if entry.decision is None:
        return "in_flight", None
    return entry.decision.kind.value, entry.decision.reason.value


async def named(store: Store, mail_ids: Iterable[str]) -> tuple[LedgerEntry, ...]:
    """These mails, in the order in which they were entered. Raises UnknownMail, NotReplayable."""
    wanted = list(dict.fromkeys(mail_ids))
    found = await store.ledger.get_many(wanted)
    missing = [one for one in wanted if one not in found]
    if missing:
        remedy = "mail-automator trace finds a mail by its sender, subject or Message-ID"
        raise UnknownMail(f"not in the books: {', '.join(missing)}", remedy=remedy)
    for one in found.values():
        check_replayable(one)
    return tuple(sorted(found.values(), key=lambda one: (one.stored_at, one.mail_id)))


def check_replayable(entry: LedgerEntry) -> None:
    """Raise NotReplayable for a mail that is neither finally rejected nor in quarantine."""
    decision = entry.decision
    match entry.state:
        case State.QUARANTINED:
            return
        case State.STORED:
            what, remedy = "it is in flight", "wait until it has come to its end"
        case _ if decision is None or decision.kind is not Kind.REJECTED:
            number = decision.number if decision else None
            what = f"it became a {decision.kind.value if decision else 'ticket'} ({number})"
            remedy = "only mails that were rejected or are in quarantine can be sent again"
        case _ if entry.gone.raw is not None:
            what, remedy = raw_gone(entry), "have it sent once more"
        case State.DECIDED:
            what, remedy = "its rejection is being told to others", "try again in a minute"
        case _:
            return
    raise NotReplayable(f"mail {entry.mail_id} cannot be sent again: {what}", remedy=remedy)


def check_discardable(entry: LedgerEntry) -> None:
    """Raise NotReplayable for a mail that is not in quarantine, or has a decision."""
    if entry.state is not State.QUARANTINED:
        raise NotReplayable(
            f"mail {entry.mail_id} is not in quarantine", remedy="mail-automator quarantine list shows what is"
        )
    if entry.decision is not None:
        what = f"mail {entry.mail_id} was decided before it went into quarantine: {entry.decision.sentence}"
        raise NotReplayable(what, remedy="replay it: its decision stands and is executed")


async def forecast(store: Store, entries: Sequence[LedgerEntry], order: Order) -> tuple[Forecast, ...]:
    """What each mail would become, in their order. Changes nothing."""
    rules = await saved(store)
    overruling = Overruling(who=order.who, why=order.why) if order.as_ticket else None
    async with parsing() as parser:
        return tuple([await _forecast(store, parser, rules, one, overruling) for one in entries])


async def send_again(store: Store, entries: Sequence[LedgerEntry], order: Order) -> tuple[str, ...]:
    """Put mails back in flight; the mail_ids of those that were: others moved on meanwhile."""
    replay = Replay(who=order.who, why=order.why, at=await store.server_time(), as_ticket=order.as_ticket)
    return tuple([one.mail_id for one in entries if await _send(store, one, replay)])


async def discard(store: Store, entries: Sequence[LedgerEntry], order: Order, source: str) -> tuple[str, ...]:
    """Reject mails in quarantine for good; the mail_ids of those that were: others moved on meanwhile.

    Raises NotReplayable, before anything is done, for one that is not in quarantine or has a decision.
    """
    for one in entries:
        check_discardable(one)
    return tuple([one.mail_id for one in entries if await _discard(store, one, order, source)])


async def _forecast(
    store: Store, parser: ParserPool, rules: Rules, entry: LedgerEntry, overruling: Overruling | None
) -> Forecast:
    if entry.decision is not None and entry.state is State.QUARANTINED:
        kind, reason = entry.decision.kind.value, entry.decision.reason.value
        return Forecast(entry, kind, reason, f"Its decision stands and is executed: {entry.decision.sentence}")
    try:
        raw = await store.raw.get(entry.mail_id)
    except Permanent:
        return Forecast(entry, IMPOSSIBLE, None, raw_gone(entry) or "Its raw mail is not there.")
    mailbox = rules.mailboxes.get(entry.origin.mailbox)
    if mailbox is None:
        sentence = f"It would be rejected: there is no mailbox {entry.origin.mailbox} any more."
        return Forecast(entry, Kind.REJECTED.value, Reason.MAILBOX_DELETED.value, sentence)
    (email,) = await parser.parse([raw])
    if isinstance(email, AutomatorError):
        return Forecast(entry, QUARANTINED, email.code, f"It would be quarantined again: {email.what}.")
    return await _tried(store, rules, entry, mailbox, email, overruling)


async def _tried(
    store: Store, rules: Rules, entry: LedgerEntry, mailbox: Mailbox, email: Email, overruling: Overruling | None
) -> Forecast:
    at = entry.origin.internal_date
    original = await original_of(store, mailbox, email, rules.marks, mail_id=entry.mail_id, at=at)
    letter = Letter(email, mailbox, entry.mail_id, at, original, overruling)
    trial = await tried(Past(store).now(entry), rules, letter)
    return Forecast(entry, trial.kind.value, trial.reason, trial.sentence)


async def _send(store: Store, entry: LedgerEntry, replay: Replay) -> bool:
    new = {"why": replay.why, "as_ticket": replay.as_ticket}
    async with _moved(store, replay.who, "replay", entry, new) as moved:
        if entry.state is State.QUARANTINED:
            moved.append(await store.ledger.replay(entry.mail_id, replay))
        else:
            moved.append(await store.ledger.reopen(entry, replay))
    return moved == [True]


async def _discard(store: Store, entry: LedgerEntry, order: Order, source: str) -> bool:
    write = _rejection(entry, order, await store.server_time(), source)
    async with _moved(store, order.who, "discard", entry, {"reason": order.why}) as moved:
        moved.append(await store.ledger.discard(write))
    return moved == [True]


@asynccontextmanager
async def _moved(
    store: Store, who: str, action: str, entry: LedgerEntry, new: Mapping[str, str | bool]
) -> AsyncGenerator[list[bool]]:
    """Audit a move before it is made; the result goes into the list. One that came too late has failed."""
    moved: list[bool] = []
    kind, reason = outcome(entry)
    old = {"outcome": kind, "reason": reason}
    try:
        async with changes.audited(store, who, action, "Mail", entry.mail_id, old=old, new=new):
            yield moved
            if moved != [True]:
                raise Conflict("the mail moved on meanwhile", where=entry.mail_id)
    except Conflict:
        moved.clear()


def _rejection(entry: LedgerEntry, order: Order, at: datetime, source: str) -> DecisionWrite:
    decision = Decision(
        kind=Kind.REJECTED,
        reason=Reason.DISCARDED,
        sentence=f"{order.who} discarded it: {order.why}",
        revisions=Revisions(mailbox=0),
        version=entry.version,
        decided_at=at,
    )
    looked_at = {"who": order.who, "why": order.why, "quarantined": outcome(entry)[1] or ""}
    step = Step(
        stage="console",
        rule=Reason.DISCARDED.value,
        verdict=Verdict.REJECTED,
        sentence=decision.sentence,
        looked_at=looked_at,
    )
    origin, message_id = entry.origin, entry.headline.message_id
    event = mail_rejected(entry.mail_id, origin.mailbox, message_id, origin.internal_date, decision, source)
    return DecisionWrite(mail_id=entry.mail_id, decision=decision, trace=(step,), outbox=(event,))
