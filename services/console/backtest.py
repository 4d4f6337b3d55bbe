"""What would have become of the last mails under rules that are not saved: old and new end of each, and why.

Every raw mail goes through the parser processes and what decides in filter, classifier and ticket writer, one after the
other in the order in which they were decided, each in the store as it then was; what became of one counts for those
after it (see `past` and `repeats`). Beside the rules that are tried goes a second course under the saved ones: where
the books differ from it, the rules were changed since. Changes nothing in the store.
"""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from services.console.ends import JOINING, End, ended, why, would_end
from services.console.past import Past
from services.console.repeats import Claims, claims_of
from services.console.replays import QUARANTINED
from services.console.rules import Rules, parsing, tried
from services.console.trial import Letter, Trial
from services.filter.parser_pool import ParserPool
from shared.domain.decision import Kind, Reason
from shared.domain.email import Email
from shared.domain.errors import AutomatorError, Permanent, Transient
from shared.domain.ledger import LedgerEntry, State
from shared.store.client import Store
from shared.store.ledger_queries import Arrived

LIMIT: Final = 5_000
USUAL: Final = 200
AT_ONCE: Final = 25
"""Mails whose books are read at a time; raw mails are read one by one."""
BY_PEOPLE: Final = frozenset({Reason.DISCARDED, Reason.UNFETCHABLE, Reason.TOO_LARGE})
"""What no rule decided stands whatever the rules say."""
RAW_MISSING, MAILBOX_GONE, TICKET_GONE = "raw_missing", "mailbox_gone", "ticket_gone"
_RANK = {Kind.TICKET: 0, Kind.REPLY: 1, Kind.REJECTED: 2, Kind.DUPLICATE: 3, None: 4}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which mails: the newest `last` of these mailboxes (None: of all), that came in since an instant."""

    mailboxes: tuple[str, ...] | None = None
    last: int = USUAL
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A mail that would end differently. `today` is its end under the saved rules, where that is not `old`; `why` are
    the sentences that decided."""

    entry: LedgerEntry
    old: End
    new: End
    today: End | None
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """So many of the mails are done."""

    done: int
    of: int


@dataclass(frozen=True, slots=True)
class Result:
    """The sum. `changed` counts the mails that end otherwise than in the books, `by_rules` those that end otherwise
    than under the saved rules. `today` is None where the saved rules give what the books say. `untested` counts mails
    by why they could not be tried."""

    examined: int
    changed: int
    by_rules: int
    old: Mapping[str, int]
    new: Mapping[str, int]
    today: Mapping[str, int] | None
    untested: Mapping[str, int]


Told = Progress | Change | Result


async def backtest(store: Store, saved: Rules, new: Rules, wanted: Wanted) -> AsyncGenerator[Told]:
    """Progress, each change as it is found, and the result. Whoever ends it early leaves nothing behind.

    Raises ParserUnavailable, StoreUnavailable.
    """
    arrived = await store.ledger.arrived(wanted.mailboxes, wanted.last, wanted.since)
    turns = [one.mail_id for one in sorted(arrived, key=_turn)]
    sums = _Sums()
    yield Progress(0, len(turns))
    async with parsing() as parser:
        courses = _Courses(store, parser, saved, new, turns)
        for start in range(0, len(turns), AT_ONCE):
            async for entry, judged in courses.judge(turns[start : start + AT_ONCE]):
                if (change := sums.add(entry, judged)) is not None:
                    yield change
            yield Progress(min(start + AT_ONCE, len(turns)), len(turns))
    yield sums.result()


@dataclass(frozen=True, slots=True)
class _Judged:
    """Three ends of a mail, or why it could not be tried."""

    old: End
    new: End
    today: End
    why: tuple[str, ...] = ()
    untested: str = ""


class _Course:
    """The mails one after the other, under one set of rules."""

    def __init__(self, store: Store, rules: Rules, turns: Sequence[str]) -> None:
        self.rules = rules
        self._past = Past(store)
        self._claims = Claims(store, turns)

    def stands(self, mail_id: str) -> None:
        """A mail stays what it is in the books."""
        self._claims.stands(mail_id)

    async def run(self, entry: LedgerEntry, email: Email) -> Trial:
        """Try a mail, and let it be what it became for those that follow."""
        mailbox, decision = self.rules.mailboxes[entry.origin.mailbox], entry.decision
        claims = claims_of(mailbox, email, self.rules.marks, entry.mail_id, entry.origin.internal_date)
        letter = Letter(
            email,
            mailbox,
            entry.mail_id,
            decision.decided_at if decision else entry.stored_at,
            await self._claims.original_of(claims, entry),
            entry.replay.overruling if entry.replay else None,
            decision.number if decision else None,
        )
        trial = await tried(self._past.before(entry), self.rules, letter)
        if trial.kind is not Kind.REJECTED:
            self._claims.take(claims)
        self._past.remember(entry, trial)
        return trial


class _Courses:
    """The course under the saved rules and the one under the new; one course where they are the same."""

    def __init__(self, store: Store, parser: ParserPool, saved: Rules, new: Rules, turns: Sequence[str]) -> None:
        self._store = store
        self._parser = parser
        self._today = _Course(store, saved, turns)
        self._new = self._today if new == saved else _Course(store, new, turns)

    async def judge(self, mail_ids: Sequence[str]) -> AsyncIterator[tuple[LedgerEntry, _Judged]]:
        """The ends of these mails, in this order."""
        entries = await self._store.ledger.get_many(mail_ids)
        gone = await self._gone(entries.values())
        for entry in (entries[one] for one in mail_ids if one in entries):
            judged = await self._judge(entry, gone)
            if judged.untested or _is_settled(entry):
                self._today.stands(entry.mail_id)
                self._new.stands(entry.mail_id)
            yield entry, judged

    async def _gone(self, entries: Iterable[LedgerEntry]) -> frozenset[str]:
        """The tickets that mails were appended to or counted on, and that are no longer there."""
        joined = (one.decision for one in entries if one.decision is not None and one.decision.kind in JOINING)
        wanted = {one.ticket_id for one in joined if one.ticket_id}
        there = await self._store.tickets.heads(wanted) if wanted else ()
        return frozenset(wanted - {one.ticket_id for one in there})

    async def _judge(self, entry: LedgerEntry, gone: frozenset[str]) -> _Judged:
        old = ended(entry)
        if _is_settled(entry):
            return _Judged(old, old, old)
        name = entry.origin.mailbox
        if name not in self._today.rules.mailboxes or name not in self._new.rules.mailboxes:
            return _Judged(old, old, old, untested=MAILBOX_GONE)
        if old.ticket_id in gone:
            return _Judged(old, old, old, untested=TICKET_GONE)
        try:
            raw = await self._store.raw.get(entry.mail_id)
        except Permanent:
            return _Judged(old, old, old, untested=RAW_MISSING)
        (email,) = await self._parser.parse([raw])
        return await self._tried(entry, old, email)

    async def _tried(self, entry: LedgerEntry, old: End, email: Email | AutomatorError) -> _Judged:
        if isinstance(email, Transient):
            raise email
        if isinstance(email, AutomatorError):
            killed = End(QUARANTINED, email.code, f"It would be quarantined: {email.what}.")
            return _Judged(old, killed, killed, (killed.sentence,))
        today = await self._today.run(entry, email)
        new = today if self._new is self._today else await self._new.run(entry, email)
        return _Judged(old, would_end(new), would_end(today), why(old, new))


class _Sums:
    """Counts what is judged."""

    def __init__(self) -> None:
        self._counts = {name: Counter[str]() for name in ("old", "new", "today", "untested")}
        self._changed = self._by_rules = 0
        self._rules_were_others = False

    def add(self, entry: LedgerEntry, judged: _Judged) -> Change | None:
        """Count a mail; its change, if it has one. One without a decision is compared with its end of today only."""
        if judged.untested:
            self._counts["untested"][judged.untested] += 1
            return None
        old, new, today = judged.old, judged.new, judged.today
        for name, end in (("old", old), ("new", new), ("today", today)):
            self._counts[name][end.outcome] += 1
        other = not today.same(old)
        changed, by_rules = entry.decision is not None and not new.same(old), not new.same(today)
        self._rules_were_others |= other
        self._changed += changed
        self._by_rules += by_rules
        return Change(entry, old, new, today if other else None, judged.why) if changed or by_rules else None

    def result(self) -> Result:
        """The sum of all."""
        old, new, today, untested = (dict(self._counts[name]) for name in ("old", "new", "today", "untested"))
        then = today if self._rules_were_others else None
        return Result(sum(old.values()), self._changed, self._by_rules, old, new, then, untested)


_NEVER: Final = datetime.max.replace(tzinfo=UTC)


def _turn(one: Arrived) -> tuple[datetime, int, datetime, int, str]:
    """When a mail's turn comes: as they were decided; a mail that joins a ticket behind those that opened one."""
    return (one.decided_at or _NEVER, _RANK[one.kind], one.stored_at, one.uid, one.mail_id)


def _is_settled(entry: LedgerEntry) -> bool:
    """Whether no rule has a say any more: a person or the fetcher decided, or a decision waits to be executed."""
    decision = entry.decision
    return decision is not None and (decision.reason in BY_PEOPLE or entry.state is State.QUARANTINED)
