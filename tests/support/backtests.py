"""A desk with a past: mails that went through the real stages, to be tried again under other rules."""

from shared.observability.metrics import Metrics
from shared.store.client import Store
from tests.support.conversations import BOB, EVE, Desk, Letter
from tests.support.embedded_store import FakeClock

LETTERS = (
    Letter("a", "opens"),
    Letter("b", "reply a", subject="Re: Printer on fire", text="Still.\n", answers="a"),
    Letter("c", "duplicate a", message_id="<other@people.example>"),
    Letter("d", "opens", sender=BOB, subject="VPN is slow", text="Very.\n"),
    Letter("e", "opens, perhaps a", sender=EVE, subject="Re: Printer on fire", text="Eve.\n", answers="a"),
    Letter("f", "rejected not_in_to", to="nobody@example.com", cc="support@example.com", text="Cc.\n"),
    Letter("g", "opens", subject="Re: Printer on fire", text="More.\n", answers="f"),
    Letter("h", "opens", text="Cc.\n"),
)


async def write_past(store: Store, clock: FakeClock, **domains: object) -> Desk:
    """Eight letters, a second apart: a ticket, its reply and its repeat, two more tickets; a rejection, and its reply
    and its repeat, which therefore opened tickets."""
    support = {"domains": {"allowDuplicates": False, "onlyIfInTo": True, **domains}}
    desk = await Desk.open(store, clock, Metrics("test", "0"), support)
    for letter in LETTERS:
        await desk.happen(letter)
        clock.advance(seconds=1)
    return desk
