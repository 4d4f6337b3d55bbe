"""Back-tests over the table of dialogues: under unchanged rules no mail of any of them ends differently."""

import pytest

from services.console.backtest import TICKET_GONE, Change, Result, Wanted, backtest
from services.console.rules import saved
from shared.observability.metrics import Metrics
from shared.store.client import Store
from tests.integration.conversations.test_dialogues import DIALOGUES, Dialogue
from tests.support.conversations import Deletes, Desk, Renames
from tests.support.embedded_store import FakeClock


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda one: one.name)
async def test_under_unchanged_rules_every_mail_of_a_dialogue_ends_as_it_did(
    dialogue: Dialogue, store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    desk = await Desk.open(store, clock, metrics, dialogue.support)
    for one in dialogue.happens:
        await desk.happen(one)
    rules = await saved(store)
    told = [one async for one in backtest(store, rules, rules, Wanted())]
    assert [(one.entry.mail_id, one.old, one.new) for one in told if isinstance(one, Change)] == []
    result = told[-1]
    assert isinstance(result, Result)
    assert (result.changed, result.by_rules) == (0, 0)
    assert result.examined + sum(result.untested.values()) == len(desk.letters)
    if not any(isinstance(one, Deletes | Renames) for one in dialogue.happens):
        assert not result.untested
    assert result.untested.keys() <= {TICKET_GONE, "mailbox_gone"}
