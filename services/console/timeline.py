"""What happened to one mail, in order: from its delivery to the event about it. Pure: what was read comes in."""

from collections.abc import Iterator
from datetime import datetime

from services.console import gone
from services.console.moment import Moment
from shared.domain.decision import Decision, Kind, Reason, Revisions, Step
from shared.domain.ledger import LedgerEntry, Replaced, Replay, State
from shared.domain.ticket import Appended, Ticket

_BARE = {
    Kind.TICKET: "It opened a ticket.",
    Kind.REPLY: "It was appended to a ticket.",
    Kind.DUPLICATE: "It was a repeat, and counted on a ticket.",
    Kind.REJECTED: "It was rejected.",
}
"""What is still known of a mail whose decision says no more."""

_PUBLISHED = "The event {} was published on the exchange tickets."


def timeline(
    entry: LedgerEntry, ticket: Ticket | None, *, article: Appended | None = None, event_owed: bool = False
) -> tuple[Moment, ...]:
    """Every moment, oldest first. `article` is what a reply became; `event_owed` says whether its event has not been
    published yet."""
    return (
        *_arrival(entry),
        *(moment for one in entry.history for moment in _replaced(one)),
        *_sent_again(entry),
        *map(_step, entry.trace),
        *_trouble(entry),
        *_end(entry, ticket, article, event_owed),
        *gone.moments(entry),
    )


def summary(entry: LedgerEntry) -> str:
    """The end of the mail, or where it stands, in one sentence."""
    match entry.state:
        case State.STORED if entry.next_attempt_at is not None:
            return f"In flight: attempt {entry.attempts + 1} is due at {_clock(entry.next_attempt_at)}."
        case State.STORED:
            return "In flight: it is ours and not decided yet."
        case State.QUARANTINED:
            reason = entry.failure.what if entry.failure else "no reason kept"
            return f"In quarantine after {entry.attempts} attempt(s): {reason}."
        case _ if entry.decision is not None:
            return entry.decision.sentence or f"{_BARE[entry.decision.kind]} {gone.row_gone(entry)}".strip()
        case _:
            return "The ledger holds no decision."


def _arrival(entry: LedgerEntry) -> Iterator[Moment]:
    origin = entry.origin
    place = f"{origin.mailbox}, folder {origin.folder}"
    yield Moment("server", "delivered", "", f"It was delivered to {place}.", origin.internal_date)
    if entry.decision is not None and entry.decision.reason is Reason.UNFETCHABLE:
        sentence = f"Listed as UID {origin.uid} (UIDVALIDITY {origin.uid_validity}), and never given."
        yield Moment("fetcher", "listed", "not_given", sentence, entry.stored_at)
        return
    copy = f", copy {origin.copy_number + 1} of an identical mail" if origin.copy_number else ""
    how = "Imported, as older than the mailbox," if origin.imported else "Fetched"
    sentence = f"{how} as UID {origin.uid} (UIDVALIDITY {origin.uid_validity}), {origin.size} bytes{copy}, and stored."
    yield Moment("fetcher", "fetched", "stored", sentence, entry.stored_at)


def _step(one: Step) -> Moment:
    return Moment(one.stage, one.rule, one.verdict.value, one.sentence, looked_at=one.looked_at)


def _replaced(one: Replaced) -> Iterator[Moment]:
    """What was decided before a replay, and the order that replaced it. Its event had been published by then."""
    yield from map(_step, one.trace)
    yield _decided(one.decision)
    yield Moment("outbox", "mail.rejected", "published", _PUBLISHED.format("mail.rejected"))
    yield _ordered(one.replay)


def _sent_again(entry: LedgerEntry) -> Iterator[Moment]:
    """The order that sent a mail back out of quarantine."""
    if entry.replay is not None and entry.replay not in [one.replay for one in entry.history]:
        yield _ordered(entry.replay)


def _ordered(order: Replay) -> Moment:
    what = "as a ticket, whatever the filter says" if order.as_ticket else "under the rules of now"
    sentence = f"{order.who} sent it through the pipeline again, {what}: {order.why}"
    return Moment("console", "replayed", "ordered", sentence, order.at, {"who": order.who, "why": order.why})


def _trouble(entry: LedgerEntry) -> Iterator[Moment]:
    failure = entry.failure
    if failure is not None:
        yield Moment(failure.stage, failure.code, "failed", f"Attempt {entry.attempts}: {failure.what}.", failure.at)
    if entry.state is State.QUARANTINED:
        sentence = f"Replay it with `mail-automator quarantine replay {entry.mail_id}`."
        yield Moment("ledger", "quarantined", "quarantined", sentence, entry.progress_at)
    elif entry.next_attempt_at is not None:
        yield Moment("bookkeeper", "next_attempt", "waiting", "It will be tried again then.", entry.next_attempt_at)


def _end(entry: LedgerEntry, ticket: Ticket | None, article: Appended | None, event_owed: bool) -> Iterator[Moment]:
    decision = entry.decision
    if decision is None:
        return
    yield _decided(decision)
    if decision.ticket_id is not None:
        yield _ticket(decision, ticket, article)
    yield _event(entry, decision, event_owed)


def _decided(decision: Decision) -> Moment:
    which = "The decision" if decision.version == 1 else f"Version {decision.version} of the decision"
    under = f", under {_revisions(decision.revisions)}" if decision.revisions.mailbox else ""
    sentence = f"{which} was written{under}."
    return Moment("ledger", decision.reason.value, decision.kind.value, sentence, decision.decided_at)


def _revisions(under: Revisions) -> str:
    """Under which configuration; a rejection never looked at the catalogue."""
    mailbox = f"revision {under.mailbox} of the mailbox"
    return f"{mailbox} and {under.catalogue} of the catalogue" if under.catalogue else mailbox


def _ticket(decision: Decision, ticket: Ticket | None, article: Appended | None) -> Moment:
    if ticket is None:
        return Moment("ticket_writer", "ticket", "missing", f"{decision.number} is decided but not written yet.")
    if decision.kind is Kind.DUPLICATE:
        return Moment(
            "ticket_writer", "ticket", "counted", f"{ticket.number} counts {len(ticket.duplicates)} duplicate(s)."
        )
    if decision.kind is Kind.REPLY:
        return _article(ticket, article)
    place = ticket.classification
    where = ", ".join(f"{name} {value}" for name, value in place.model_dump(mode="json").items() if value)
    return Moment("ticket_writer", "ticket", "written", f"{ticket.number} is there ({where}).", ticket.created_at)


def _article(ticket: Ticket, article: Appended | None) -> Moment:
    if article is None:
        return Moment("ticket_writer", "article", "missing", f"It is not appended to {ticket.number} yet.")
    again = " It opened the ticket again." if article.reopened else ""
    sentence = f"{ticket.number} has it as a {article.article.kind.value}.{again}"
    return Moment("ticket_writer", "article", "written", sentence, article.at)


_EVENTS = {
    Kind.TICKET: "ticket.created",
    Kind.REPLY: "ticket.replied",
    Kind.DUPLICATE: "ticket.duplicate_counted",
    Kind.REJECTED: "mail.rejected",
}


def _event(entry: LedgerEntry, decision: Decision, event_owed: bool) -> Moment:
    name = _EVENTS[decision.kind]
    if event_owed or entry.state is not State.DONE:
        return Moment("outbox", name, "owed", f"The event {name} is not published yet; the bookkeeper sends it.")
    return Moment("outbox", name, "published", _PUBLISHED.format(name))


def _clock(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
