"""The balance: each mail in exactly one column, and every kind of error found by name."""

from dataclasses import replace

from services.console.books import ArticleFact, Facts, LedgerFact, TicketFact, balance
from shared.domain.decision import Kind
from shared.domain.ledger import State


def ticketed(mail: str, number: str = "INC-000001") -> tuple[LedgerFact, TicketFact]:
    entry = LedgerFact(mail, "support", State.DONE, Kind.TICKET, f"t-{mail}")
    return entry, TicketFact(f"t-{mail}", number, "support", mail)


def facts_of(*ledger: LedgerFact, tickets: tuple[TicketFact, ...] = ()) -> Facts:
    return Facts(("support",), {"support": frozenset(one.mail_id for one in ledger)}, ledger, tickets)


def codes(facts: Facts) -> list[str]:
    return [one.code for one in balance(facts).findings]


def test_every_kind_of_end_stands_in_its_own_column_and_the_books_balance():
    entry, ticket = ticketed("a")
    ledger = (
        entry,
        LedgerFact("b", "support", State.DONE, Kind.DUPLICATE, "t-a"),
        LedgerFact("c", "support", State.DONE, Kind.REJECTED),
        LedgerFact("d", "support", State.QUARANTINED),
        LedgerFact("e", "support", State.STORED),
        LedgerFact("f", "support", State.DONE, Kind.REPLY, "t-a"),
    )
    facts = facts_of(*ledger, tickets=(replace(ticket, duplicates=frozenset({"b"})),))
    result = balance(replace(facts, articles=(ArticleFact("f", "t-a"),)))
    total = result.total
    assert result.balanced
    assert (total.ticketed, total.duplicates, total.rejected, total.quarantined, total.in_flight) == (1, 1, 1, 1, 1)
    assert (total.appended, total.sightings, total.ledger, total.unaccounted) == (1, 6, 6, 0)


def test_a_mailbox_without_mail_has_a_row_of_zeros():
    assert [row.mailbox for row in balance(Facts(("empty",))).rows] == ["empty"]


def test_a_sighting_that_the_ledger_does_not_know_is_unaccounted():
    facts = Facts(("support",), {"support": frozenset({"lost"})})
    result = balance(facts)
    assert (result.total.unaccounted, result.balanced) == (1, False)
    assert "lost" in result.findings[0].sentence
    assert codes(facts) == ["sighting_without_ledger"]


def test_a_sighting_booked_under_another_mailbox_still_counts_as_booked():
    facts = replace(facts_of(LedgerFact("a", "old-name", State.DONE, Kind.REJECTED)), sighted={"new": frozenset({"a"})})
    assert codes(facts) == []


def test_a_done_ticket_without_its_document_is_unaccounted():
    entry, _ = ticketed("a")
    assert codes(facts_of(entry)) == ["ticket_missing"]
    assert balance(facts_of(entry)).total.unaccounted == 1


def test_a_decided_ticket_without_its_document_is_in_flight_because_the_bookkeeper_repeats_it():
    entry, _ = ticketed("a")
    result = balance(facts_of(replace(entry, state=State.DECIDED)))
    assert (result.balanced, result.total.in_flight) == (True, 1)


def test_a_duplicate_that_its_ticket_does_not_count_is_unaccounted():
    entry, ticket = ticketed("a")
    repeat = LedgerFact("b", "support", State.DONE, Kind.DUPLICATE, "t-a")
    assert codes(facts_of(entry, repeat, tickets=(ticket,))) == ["duplicate_not_counted"]


def test_a_ticket_counting_a_mail_that_was_decided_otherwise_is_found():
    entry, ticket = ticketed("a")
    counted = replace(ticket, duplicates=frozenset({"b"}))
    rejected = LedgerFact("b", "support", State.DONE, Kind.REJECTED)
    assert codes(facts_of(entry, rejected, tickets=(counted,))) == ["duplicate_without_decision"]


def test_a_ticket_that_no_decision_opened_is_found():
    _, ticket = ticketed("a")
    rejected = LedgerFact("a", "support", State.DONE, Kind.REJECTED)
    assert codes(facts_of(rejected, tickets=(ticket,))) == ["ticket_without_decision"]
    assert codes(facts_of(tickets=(ticket,))) == ["ticket_without_decision"]


REPLY = LedgerFact("b", "support", State.DONE, Kind.REPLY, "t-a")


def test_a_done_reply_that_its_ticket_does_not_have_is_unaccounted():
    entry, ticket = ticketed("a")
    facts = facts_of(entry, REPLY, tickets=(ticket,))
    assert codes(facts) == ["article_missing"]
    elsewhere = replace(facts, articles=(ArticleFact("b", "t-other"),))
    assert codes(elsewhere) == ["article_missing", "article_without_decision"]
    assert balance(facts).total.unaccounted == 1


def test_a_decided_reply_without_its_article_is_in_flight():
    entry, ticket = ticketed("a")
    result = balance(facts_of(entry, replace(REPLY, state=State.DECIDED), tickets=(ticket,)))
    assert (result.balanced, result.total.in_flight) == (True, 1)


def test_an_article_that_no_decision_appended_is_found():
    entry, ticket = ticketed("a")
    rejected = replace(REPLY, kind=Kind.REJECTED)
    stray = (ArticleFact("b", "t-a"),)
    assert codes(replace(facts_of(entry, rejected, tickets=(ticket,)), articles=stray)) == ["article_without_decision"]
    unknown = balance(replace(facts_of(entry, tickets=(ticket,)), articles=stray))
    assert [(one.code, one.mailbox) for one in unknown.findings] == [("article_without_decision", "support")]
    assert "INC-000001" in unknown.findings[0].sentence


def test_two_tickets_of_one_mail_are_found():
    entry, ticket = ticketed("a")
    second = replace(ticket, ticket_id="t-other", number="INC-000002")
    assert set(codes(facts_of(entry, tickets=(ticket, second)))) == {"doubled_ticket", "ticket_without_decision"}


def test_one_number_on_two_tickets_is_found():
    (one, first), (two, second) = ticketed("a"), ticketed("b")
    assert codes(facts_of(one, two, tickets=(first, second))) == ["doubled_number"]


def test_events_that_are_owed_are_reported_and_do_not_unbalance():
    result = balance(Facts(outbox_pending=3))
    assert (result.balanced, result.outbox_pending) == (True, 3)


def test_what_a_server_did_not_give_yet_is_shown_and_does_not_unbalance():
    result = balance(Facts(("support",), holes={"support": 2}))
    assert (result.balanced, result.total.holes, result.total.in_flight) == (True, 2, 0)


def test_the_columns_of_each_row_add_up_to_its_mails():
    entry, ticket = ticketed("a")
    lost = LedgerFact("b", "other", State.DONE, Kind.TICKET, "gone")
    facts = replace(
        facts_of(entry, lost, tickets=(ticket,)), sighted={"support": frozenset({"a", "x"}), "other": frozenset({"b"})}
    )
    for row in balance(facts).rows:
        opened_or_joined = row.ticketed + row.appended + row.duplicates
        ends = opened_or_joined + row.rejected + row.quarantined + row.in_flight + row.unaccounted
        assert ends == max(row.sightings, row.ledger)
