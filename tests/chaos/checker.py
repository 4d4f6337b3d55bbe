"""The checker: what the store, the mailboxes, the SMTP sink and the subscriber's log say, against the oracle.

It reads nothing of the services themselves but the lines they log (I19). Each invariant is a function that yields what
is wrong with it (reliability.md). Those that must hold at all times (I14, I15, I16, I22) are asked by `watch`; I17 and
I13 are part of being at rest (`settle`); I20 is a scenario. I18, files that nobody owns, needs a day: it is not asked.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import timedelta

from services.ticket_writer.settings import TicketWriterSettings
from shared.domain.decision import Kind, Reason
from shared.domain.ledger import LedgerEntry, State
from shared.domain.ticket import AcknowledgementState, Ticket
from tests.chaos.oracle import Ends, Injected
from tests.chaos.traffic import BODY, SENDERS, token_of, tokens_in
from tests.chaos.violation import Violation
from tests.chaos.world import USERS, World

DISCREET = {"a sender's address": f"@{SENDERS}", "a mail's text": BODY.strip() + " " + BODY.strip()} | {
    f"{user}'s password": password for user, password in USERS.items()
}


@dataclass
class Evidence:
    """Everything the checker looked at. `by_token` are the ledger entries whose raw mail carries that token: all of
    them, but for those that the server withheld (World.withheld)."""

    attempts: Mapping[str, Injected]
    delivered: frozenset[str]
    entries: Mapping[str, LedgerEntry]
    by_token: Mapping[str, list[LedgerEntry]]
    raw_hashes: Mapping[str, str]
    tickets: Mapping[str, Ticket]
    articles: Mapping[str, str]
    """ticket_id by mail_id of every article after the first of a ticket."""
    events: list[dict]
    acknowledgements: list[dict]
    mailboxes: Mapping[str, Counter[str]]
    log: Sequence[str] = ()
    excused: Mapping[str, AbstractSet[str]] = field(default_factory=dict[str, AbstractSet[str]])
    """Tokens by allowance: the mails for which it is overlooked (see Scenario.allows)."""

    def __post_init__(self) -> None:
        self.token_by_mail = {one.mail_id: token for token, entries in self.by_token.items() for one in entries}

    def may(self, allowance: str, mail_id: str) -> bool:
        """Whether that is overlooked for this mail."""
        return self.token_by_mail.get(mail_id, "") in self.excused.get(allowance, ())


UNKNOWN = AcknowledgementState.UNKNOWN
PARENT_WAIT = timedelta(seconds=TicketWriterSettings.model_fields["parent_wait_seconds"].default)
Invariant = Callable[[Evidence], Iterator[Violation]]


async def gather(world: World, excused: Mapping[str, AbstractSet[str]], *, anew: bool = False) -> Evidence:
    """Read all of it; raw mails that were read before only if `anew`."""
    if anew:
        world.raws.clear()
    attempts, delivered = world.oracle.read()
    entries: dict[str, LedgerEntry] = {}
    ids = [row.mail_id async for row in world.store.ledger.iter_all()]
    by_token: dict[str, list[LedgerEntry]] = defaultdict(list)
    hashes: dict[str, str] = {}
    for at in range(0, len(ids), 500):
        entries |= await world.store.ledger.get_many(ids[at : at + 500])
    for mail_id, entry in entries.items():
        if mail_id not in world.raws:
            raw = await world.store.raw.get(mail_id)
            world.raws[mail_id] = token_of(raw), hashlib.sha256(raw).hexdigest()
        token, hashes[mail_id] = world.raws[mail_id]
        if token or entry.origin.mailbox not in world.withheld:
            by_token[token].append(entry)
    tickets = {one.ticket_id: one async for one in _tickets(world)}
    articles = {one["_id"]: one["ticket_id"] async for one in world.store.collection("articles").stream({})}
    return Evidence(
        attempts={token: _owed(world, one) for token, one in attempts.items()},
        delivered=delivered,
        entries=entries,
        by_token=by_token,
        raw_hashes=hashes,
        tickets=tickets,
        articles=articles,
        events=list(world.events.got),
        acknowledgements=world.sink.accepted(),
        mailboxes={user: Counter(tokens_in(world.dovecot.maildir(user))) for user in world.dovecot.users},
        log=world.log,
        excused=excused,
    )


def _owed(world: World, one: Injected) -> Injected:
    """What its mailbox owes its sender."""
    return replace(one, acknowledged=False) if one.mailbox in world.silent else one


async def _tickets(world: World) -> AsyncIterator[Ticket]:
    ids = [one.ticket_id async for one in world.store.tickets.iter_origins()]
    for at in range(0, len(ids), 500):
        for ticket in (await world.store.tickets.get_many(ids[at : at + 500])).values():
            yield ticket


def every_token_has_one_entry(seen: Evidence) -> Iterator[Violation]:
    """I1: each injected token has exactly one ledger entry."""
    for token in seen.delivered:
        count = len(seen.by_token.get(token, ()))
        if count == 0:
            yield Violation("I1", "lost", token, "a delivered mail is not in the ledger")
        if count > 1:
            yield Violation("I1", "doubled", token, f"{count} ledger entries for one mail")
    for token in set(seen.by_token) - set(seen.attempts):
        yield Violation("I1", "unexpected", token, "a ledger entry for a mail that nobody sent")


def every_entry_is_final(seen: Evidence) -> Iterator[Violation]:
    """I2: each ledger entry is done; quarantine only where the oracle says so."""
    may_be_held = _may_end(seen, Ends.QUARANTINED)
    for entry in seen.entries.values():
        held = entry.state is State.QUARANTINED and (
            entry.mail_id in may_be_held or seen.may("quarantine", entry.mail_id)
        )
        if entry.state is not State.DONE and not held:
            word = "lost" if entry.state is not State.QUARANTINED else "unexpected"
            what = f"{entry.state.value}, {entry.failure.code if entry.failure else 'no failure'}"
            yield Violation("I2", word, entry.mail_id, f"the mail is not done: {what}")


def _may_end(seen: Evidence, ends: Ends) -> frozenset[str]:
    """The mail_ids whose mail may end so."""
    tokens = {token for token, one in seen.attempts.items() if one.ends in (ends, Ends.ANY)}
    return frozenset(entry.mail_id for token in tokens for entry in seen.by_token.get(token, ()))


def one_effect_each(seen: Evidence) -> Iterator[Violation]:
    """I3, I4: exactly one of ticket, article, duplicate mark, rejection; never two."""
    origins = Counter(one.origin_mail_id for one in seen.tickets.values())
    counted = Counter(mail for one in seen.tickets.values() for mail in one.duplicates)
    for mail_id, entry in seen.entries.items():
        effects = origins[mail_id] + (mail_id in seen.articles) + counted[mail_id]
        rejected = entry.decision is not None and entry.decision.kind is Kind.REJECTED
        if effects + rejected > 1:
            yield Violation("I4", "doubled", mail_id, f"{effects} effects, rejected: {rejected}")
        if effects + rejected == 0 and entry.state is State.DONE:
            yield Violation("I3", "lost", mail_id, "done, without any effect")


def decisions_name_their_ticket(seen: Evidence) -> Iterator[Violation]:
    """I3: the decision that stands is the one that was executed: its number is the ticket's."""
    for mail_id, entry in seen.entries.items():
        ticket = seen.tickets.get(entry.decision.ticket_id or "") if entry.decision else None
        if ticket is not None and entry.decision is not None and entry.decision.number != ticket.number:
            what = f"decided as {entry.decision.number}, and the ticket is {ticket.number}"
            yield Violation("I3", "unexpected", mail_id, what)


def numbers_are_unique(seen: Evidence) -> Iterator[Violation]:
    """I5: ticket numbers are unique."""
    for number, count in Counter(one.number for one in seen.tickets.values()).items():
        if count > 1:
            yield Violation("I5", "doubled", number, f"{count} tickets with one number")


def outcomes_are_the_oracles(seen: Evidence) -> Iterator[Violation]:
    """I6: the outcome's class is the oracle's. Of a mail and its copies one opens the ticket, whichever was first."""
    swapped = _swapped(seen)
    for token, entries in seen.by_token.items():
        expected = seen.attempts.get(token)
        for entry in entries:
            if expected is None or expected.ends is Ends.ANY or token in swapped:
                continue
            ended, why = _ended(entry)
            if ended not in ("", expected.ends.value) and not _overtook(seen, entry, expected):
                yield Violation("I6", "unexpected", token, f"{expected.kind} ended as {ended} ({why})")


def withheld_mails_are_rejected(seen: Evidence) -> Iterator[Violation]:
    """I6: a mail that the server does not give is rejected for that reason; no other bears no token."""
    for mail_id in seen.entries.keys() - seen.token_by_mail.keys():
        ended = _ended(seen.entries[mail_id])
        if ended != (Ends.REJECTED.value, Reason.UNFETCHABLE.value):
            yield Violation("I6", "unexpected", mail_id, f"nothing of it came, and it ended as {' '.join(ended)}")


def _ended(entry: LedgerEntry) -> tuple[str, str]:
    """How it ended, and why; two empty words as long as it has not."""
    if entry.state is State.QUARANTINED:
        return Ends.QUARANTINED.value, entry.failure.code if entry.failure else ""
    return (entry.decision.kind.value, entry.decision.reason.value) if entry.decision else ("", "")


def _overtook(seen: Evidence, entry: LedgerEntry, expected: Injected) -> bool:
    """Whether it is a reply that opened a ticket as the mail that it answers had none yet: it was decided before that
    mail, or had waited for as long as replies do, and says so (docs/conversations.md)."""
    reply = entry.decision
    if expected.kind != "reply" or reply is None or reply.kind is not Kind.TICKET:
        return False
    parents = [one.decision for one in seen.by_token.get(expected.of, ())]
    first = any(one is None or one.decided_at > reply.decided_at for one in parents)
    waited = reply.decided_at - entry.stored_at >= PARENT_WAIT
    return first or (waited and any("still in flight" in step.sentence for step in entry.trace))


def _swapped(seen: Evidence) -> frozenset[str]:
    """The tokens of mails with copies where exactly one of all opened a ticket and the others were counted on it."""
    groups: dict[str, set[str]] = defaultdict(set)
    for token, one in seen.attempts.items():
        if one.kind == "duplicate":
            groups[one.of] |= {one.of, token}
    found: set[str] = set()
    for tokens in groups.values():
        kinds = Counter(one.decision.kind for token in tokens for one in seen.by_token.get(token, ()) if one.decision)
        if kinds[Kind.TICKET] == 1 and kinds[Kind.DUPLICATE] == len(tokens) - 1:
            found |= tokens
    return frozenset(found)


def rejections_have_a_reason(seen: Evidence) -> Iterator[Violation]:
    """I7: a reason from the closed list, and the raw mail is there."""
    for entry in seen.entries.values():
        if entry.decision is not None and entry.decision.kind is Kind.REJECTED and entry.decision.reason not in Reason:
            yield Violation("I7", "unexpected", entry.mail_id, "a rejection without a known reason")


def raw_is_what_was_sent(seen: Evidence) -> Iterator[Violation]:
    """I8: the raw mail's sha256 is that of the injected bytes."""
    for token, entries in seen.by_token.items():
        for entry in entries:
            if token in seen.attempts and seen.raw_hashes[entry.mail_id] != seen.attempts[token].sha256:
                yield Violation("I8", "unexpected", token, "the raw mail differs from what was sent")


def replies_are_in_their_ticket(seen: Evidence) -> Iterator[Violation]:
    """I9: a reply or duplicate sits in the ticket of the mail that it is about."""
    for token, entries in seen.by_token.items():
        expected = seen.attempts.get(token)
        parents = seen.by_token.get(expected.of, ()) if expected and expected.of else ()
        owner = next((one.decision.ticket_id for one in parents if one.decision), None)
        for entry in entries:
            elsewhere = owner and entry.decision and entry.decision.ticket_id != owner
            if elsewhere and not (expected and _overtook(seen, entry, expected)):
                yield Violation("I9", "unexpected", token, f"it is on {entry.decision.number}, another ticket")


def each_ticket_has_its_event(seen: Evidence) -> Iterator[Violation]:
    """I10: one or more ticket.created per ticket, one distinct id; none for a ticket that is not there."""
    ids: dict[str, set[str]] = defaultdict(set)
    for event in seen.events:
        if event["type"] == "io.mail-automator.ticket.created.v1":
            ids[event["data"]["ticket_id"]].add(event["id"])
    for ticket_id, ticket in seen.tickets.items():
        if ticket_id not in ids and seen.may("events_may_be_missing", ticket.origin_mail_id):
            continue
        if len(ids.get(ticket_id, ())) != 1:
            word = "lost" if ticket_id not in ids else "doubled"
            yield Violation("I10", word, ticket_id, f"{len(ids.get(ticket_id, ()))} distinct ticket.created events")
    for ticket_id in set(ids) - set(seen.tickets):
        yield Violation("I10", "unexpected", ticket_id, "an event of a ticket that does not exist")


def one_answer_at_most(seen: Evidence) -> Iterator[Violation]:
    """I11: exactly one acknowledgement of each ticket that must have one, and none to machines, lists, blocked or own
    addresses. Where a fault struck around the final dot: at most one.

    Nobody gets more than one in an hour: the reply that overtook its mail may have had the one of its sender.
    A store that was put back to an older copy has forgotten what it sent: the same acknowledgement, under the same
    Message-ID, may go out again. Events of a ticket that is made again have the ids they had, so I10 holds as it is.
    """
    times = Counter((one["message_id"], one["ticket_id"]) for one in seen.acknowledgements)
    for (message_id, ticket_id), count in times.items():
        ticket = seen.tickets.get(ticket_id)
        if count > 1 and not (ticket and seen.may("store_forgot", ticket.origin_mail_id)):
            yield Violation("I11", "doubled", message_id, f"{count} acknowledgements of one ticket")
    wanted = {one.sender or f"{token}@{SENDERS}" for token, one in seen.attempts.items() if one.acknowledged}
    for one in seen.acknowledgements:
        if one["to"] not in wanted:
            yield Violation("I11", "unexpected", one["to"], "an acknowledgement to whom none is due")
    sent = {one["ticket_id"] for one in seen.acknowledgements}
    answered = {one["to"] for one in seen.acknowledgements}
    for ticket in seen.tickets.values():
        token = seen.token_by_mail.get(ticket.origin_mail_id, "")
        injected = seen.attempts.get(token)
        due = injected is not None and injected.must_be_acknowledged and ticket.ticket_id not in sent
        state = ticket.acknowledgement
        unknown = state and state.state is UNKNOWN and seen.may("dot_faults", ticket.origin_mail_id)
        off = state and state.code == "mailbox_gone" and seen.may("switched_off", ticket.origin_mail_id)
        spent = state and state.code == "budget_address" and f"{token}@{SENDERS}" in answered
        if due and not (unknown or off or spent):
            what = f"{state.state.value} {state.code}" if state else "nobody has decided on it"
            yield Violation("I11", "lost", ticket.number, f"no acknowledgement was sent: {what}")


def acknowledgement_states_are_honest(seen: Evidence) -> Iterator[Violation]:
    """I12: the ticket's state agrees with the sink; `unknown` only where a fault struck after the dot."""
    sent = {one["ticket_id"] for one in seen.acknowledgements}
    for ticket in seen.tickets.values():
        state = ticket.acknowledgement.state if ticket.acknowledgement else None
        if state is AcknowledgementState.SENT and ticket.ticket_id not in sent:
            yield Violation("I12", "unexpected", ticket.number, "it says sent, and the sink has nothing")
        if state is AcknowledgementState.SUPPRESSED and ticket.ticket_id in sent:
            yield Violation("I12", "unexpected", ticket.number, "it says suppressed, and the sink has one")
        if state is UNKNOWN and not seen.may("dot_faults", ticket.origin_mail_id):
            yield Violation("I12", "unexpected", ticket.number, "unknown, without a fault after the dot")


def mailboxes_are_untouched(seen: Evidence) -> Iterator[Violation]:
    """I21: nothing was removed from a mailbox."""
    there = Counter(token for tokens in seen.mailboxes.values() for token in tokens)
    for token in seen.delivered:
        if there[token] < 1:
            yield Violation("I21", "unexpected", token, "the mail is gone from its mailbox")


def logs_are_discreet(seen: Evidence) -> Iterator[Violation]:
    """I19: no password, no text of a mail and no sender's address in any line of a service."""
    for line in seen.log:
        for what, word in DISCREET.items():
            if word in line:
                yield Violation("I19", "unexpected", line.partition(" ")[0], f"{what} in a line of its log")


INVARIANTS: tuple[Invariant, ...] = (
    every_token_has_one_entry,
    every_entry_is_final,
    one_effect_each,
    decisions_name_their_ticket,
    numbers_are_unique,
    outcomes_are_the_oracles,
    withheld_mails_are_rejected,
    rejections_have_a_reason,
    raw_is_what_was_sent,
    replies_are_in_their_ticket,
    each_ticket_has_its_event,
    one_answer_at_most,
    acknowledgement_states_are_honest,
    mailboxes_are_untouched,
    logs_are_discreet,
)


def check(seen: Evidence) -> list[Violation]:
    """Every violation of every invariant."""
    return [one for invariant in INVARIANTS for one in invariant(seen)]
