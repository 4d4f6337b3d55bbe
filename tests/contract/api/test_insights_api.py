"""The overview, the health of mailboxes, absences and the last events, through the API."""

from datetime import timedelta

from services.bookkeeper.statistics import Counts
from services.bookkeeper.totals import Totals
from shared.contracts.events import ticket_created, ticket_replied
from shared.domain.access import Role
from shared.domain.decision import Kind, Reason
from shared.domain.ledger import Failure, State
from shared.domain.mailbox_runtime import MailboxStatus, Phase
from shared.domain.ticket import Appended
from tests.support.builders import AT, article, decision, entry, mailbox
from tests.support.notifying import ticket


async def enter(api) -> None:
    """Two mailboxes: one well with three mails, of which one is in quarantine, one whose password is refused."""
    for name in ("billing", "support"):
        await api.store.mailboxes.put(mailbox(name), {}, create=True)
    now = api.clock.now()
    await api.store.runtime.set_status("support", MailboxStatus(state=Phase.IDLE, since=now, last_success_at=now))
    refused = {"code": "authentication_rejected", "sentence": "the password is refused"}
    await api.store.runtime.set_status("billing", MailboxStatus(state=Phase.NEEDS_ATTENTION, since=now, **refused))
    await api.store.ledger.insert_many([entry(f"m{n}", uid=n + 1) for n in range(3)])
    await api.store.ledger.quarantine("m1", Failure(stage="filter", code="busy", what="it was", at=now))
    counts = Counts(api.store.ledger, api.store.statistics, api.clock)
    await counts.books(await Totals(api.store.ledger, api.clock).look(), {})
    await counts.hours()


async def test_the_health_of_mailboxes_is_told_in_pages_by_name(api) -> None:
    await enter(api)
    first = (await api("GET", "/mailbox-health?limit=1", Role.VIEWER)).json()
    assert [(one["name"], one["state"]) for one in first["items"]] == [("billing", "auth_failed")]
    second = (await api("GET", f"/mailbox-health?limit=1&after={first['nextCursor']}")).json()
    (support,) = second["items"]
    assert (support["name"], support["state"], second["nextCursor"]) == ("support", "healthy", None)
    assert (support["today"]["received"], support["today"]["quarantined"], support["today"]["inFlight"]) == (3, 1, 2)
    assert first["states"]["healthy"] == first["states"]["auth_failed"] == 1
    assert (await api("GET", "/mailbox-health?state=paused")).json()["items"] == []
    assert len((await api("GET", "/mailbox-health?words=SUPP")).json()["items"]) == 2, "the address of both has it"
    api.clock.advance(minutes=30)
    late = (await api("GET", "/mailbox-health?words=support&state=delayed")).json()["items"]
    assert [one["name"] for one in late] == ["support"]


async def test_the_overview_shows_the_books_the_hours_and_what_waits(api) -> None:
    empty = (await api("GET", "/overview", Role.VIEWER)).json()
    assert (empty["books"], empty["queues"], empty["oldestInFlight"]) == (None, None, None)
    await enter(api)
    shown = (await api("GET", "/overview", Role.VIEWER)).json()
    assert (shown["total"]["quarantined"], shown["total"]["in_flight"], shown["total"]["unaccounted"]) == (1, 2, 0)
    assert sum(sum(one["outcomes"].values()) for one in shown["hours"]) == 3
    assert shown["days"]["2026-03-01"] == 3
    assert shown["oldestInFlight"]["mailId"] in ("m0", "m2")


async def test_why_a_mail_is_not_found_is_explained(api) -> None:
    await enter(api)
    told = (await api("GET", "/absences?mailbox=support", Role.VIEWER)).json()["items"]
    assert [one["code"] for one in told] == ["in_flight", "never_seen"]
    later = (AT + timedelta(hours=1)).isoformat().replace("+", "%2B")
    told = (await api("GET", f"/absences?mailbox=support&at={later}")).json()["items"]
    assert [one["code"] for one in told][-1] == "not_read_yet"
    everywhere = (await api("GET", "/absences")).json()["items"]
    assert ("auth_failed", "billing") in [(one["code"], one["mailbox"]) for one in everywhere]
    await api("POST", "/mailboxes/support/pause")
    api.clock.advance(hours=1)
    told = (await api("GET", "/absences?mailbox=support")).json()["items"]
    assert [one["code"] for one in told].count("paused") == 2, "when, and that it is now"
    assert (await api("GET", "/absences?mailbox=nobody")).status_code == 404


async def test_the_last_events_and_the_causes_of_the_quarantine_are_listed(api) -> None:
    await enter(api)
    shown = (await api("GET", "/events", Role.VIEWER)).json()
    assert [(one["type"].split(".")[-2], one["subject"]) for one in shown["items"]] == [("quarantined", "m1")]
    causes = (await api("GET", "/quarantine", Role.OPERATOR)).json()["causes"]
    assert [(one["code"], one["mails"], one["examples"]) for one in causes] == [("busy", 1, ["m1"])]


async def test_replies_and_repeats_are_among_the_last_events_and_what_is_owed_is_told(api) -> None:
    opened = ticket(1).model_copy(update={"created_at": AT})
    await api.store.tickets.insert_many([opened.model_copy(update={"outbox": (ticket_created(opened),)})])
    reply, at = article("m8"), opened.created_at + timedelta(minutes=1)
    owed = ticket_replied(opened, reply, at, reopened=False)
    await api.store.articles.insert_many([Appended(ticket_id=opened.ticket_id, article=reply, at=at, outbox=(owed,))])
    again = decision(
        kind=Kind.DUPLICATE,
        reason=Reason.DUPLICATE_OF,
        ticket_id=opened.ticket_id,
        number=opened.number,
        decided_at=opened.created_at + timedelta(minutes=2),
    )
    await api.store.ledger.insert_many([entry("m9", uid=3, state=State.DONE, decision=again)])
    await api.store.tickets.count_duplicates([(opened.ticket_id, "m9")])
    api.clock.advance(hours=1)
    shown = (await api("GET", "/events", Role.VIEWER)).json()
    assert [one["type"].split(".")[-2] for one in shown["items"]] == ["duplicate_counted", "replied", "created"]
    assert (shown["owed"], shown["owedSince"]) == (2, opened.created_at.isoformat().replace("+00:00", "Z"))
    detail = (await api("GET", f"/tickets/{opened.number}", Role.VIEWER)).json()
    assert [one.split(".")[-2] for one in detail["eventsOwed"]] == ["created", "replied"]
    await api.store.tickets.mark_published([opened.ticket_id])
    assert (await api("GET", "/events")).json()["owed"] == 1
