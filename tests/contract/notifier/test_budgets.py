"""A flood: budgets hold, the breaker is visible, and other senders are still answered."""

from pathlib import Path

import pytest

from services.notifier.patience import Waits
from shared.domain.budgets import Budgets
from shared.domain.email import Address
from shared.domain.ticket import AcknowledgementState as State
from shared.store.client import Store
from tests.support.notifying import mailbox, office, ticket
from tests.support.smtp_sink import Fault, smtp_sink


def of(n: int, address: str):
    return ticket(n, sender=Address(address=address))


async def test_a_flood_from_one_domain_trips_its_breaker_once_and_others_are_answered(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with smtp_sink(tmp_path) as sink:
        desk = await office(store, mailbox(sink), budgets=Budgets(1, 5, domain_per_hour=3, global_per_hour=100))
        flood = [of(n, f"x{n}@mail.flood.example") for n in range(10)]
        good = of(99, "alice@example.org")
        await desk.owe(*flood, good)
        await desk.look()
        codes = [(await desk.of(one)).status.code for one in flood]
        assert sorted(codes) == ["budget_domain"] * 7 + ["sent"] * 3
        assert (await desk.of(good)).state is State.SENT
        assert capsys.readouterr().out.count("acknowledgement_breaker_open") == 1
        text = desk.tools.metrics.exposition().decode()
        assert 'mail_automator_acknowledgement_breaker_open{scope="domain"} 1.0' in text
        other = await office(store)
        await other.keeper.measure()
        await other.keeper.count()
        text = other.tools.metrics.exposition().decode()
        assert 'mail_automator_acknowledgement_breaker_open{scope="domain"} 1.0' in text
        assert 'mail_automator_acknowledgement_breaker_open{scope="global"} 0.0' in text
        assert 'mail_automator_acknowledgements_now{state="suppressed"} 7.0' in text
        assert "mail_automator_acknowledgements_oldest_pending_seconds 0.0" in text


async def test_the_same_person_is_answered_once_an_hour(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path) as sink:
        desk = await office(store, mailbox(sink), budgets=Budgets())
        first, second = ticket(1), ticket(2)
        await desk.owe(first)
        await desk.look()
        await desk.owe(second)
        await desk.look()
        assert (await desk.of(second)).status.code == "budget_address"
        assert len(sink.taken) == 1


async def test_an_acknowledgement_that_is_tried_again_is_counted_once(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path) as sink:
        sink.faults = [Fault.RCPT_451] * 3
        made = ticket()
        desk = await office(store, mailbox(sink), budgets=Budgets(1, 5, 1, 1))
        await desk.owe(made)
        await desk.reaches(made, State.SENT)


async def test_all_budgets_together_are_the_last_lock(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path) as sink:
        desk = await office(store, mailbox(sink), budgets=Budgets(1, 5, 100, global_per_hour=2), waits=Waits())
        tickets = [of(n, f"a@b{n}.example") for n in range(4)]
        await desk.owe(*tickets)
        await desk.look()
        codes = sorted([(await desk.of(one)).status.code for one in tickets])
        assert codes == ["budget_global", "budget_global", "sent", "sent"]
