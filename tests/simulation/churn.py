"""What happens to a fleet of fetchers, one event after the other, and what each event was like."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import timedelta

from tests.simulation.book import least_moves
from tests.simulation.virtual_time import VirtualClock, elapsed
from tests.simulation.world import World

Event = Callable[[World], Awaitable[None]]

ROLLING_PAUSE_SECONDS = 3.0
"""How long after a new process has started the next old one is ended."""
STORE_AWAY_SECONDS = 45.0
STORE_FROZEN_SECONDS = 40.0
CLOCKS = (
    VirtualClock(timedelta(days=1), began=5e5),
    VirtualClock(timedelta(days=-1), began=10),
    VirtualClock(rate=0.75, began=1e5),
    VirtualClock(rate=1.25, began=3e5),
)
"""Wall clocks may be off by anything: the store's counts. A monotonic clock may be slow by less than a third: a lease
is given up after two thirds of its time."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one event. Seconds from its beginning; None: never within patience. `least_moves`: with perfect foresight."""

    event: str
    fetchers: int
    mailboxes: int
    read_after: float | None
    moved_after: float | None
    longest_without_reader: float
    moves: int
    least_moves: int
    most_moves_of_one: int
    most_of_mailbox: int
    most_of_host: int
    sign_ins: int
    sign_ins_in_a_second: int
    smallest_share: int
    largest_share: int
    trips_in_a_second: int
    documents_in_a_second: int
    wait: float


async def churned(world: World, mailboxes: int, fetchers: int) -> AsyncIterator[Figures]:
    """All events, in their order; ends with the first that breaks an invariant."""
    world.configure(range(mailboxes))
    for name, event in events(mailboxes, fetchers):
        yield await _observed(world, name, event)
        if world.book.broken:
            return


def events(mailboxes: int, fetchers: int) -> tuple[tuple[str, Event], ...]:
    """The churn, in its order."""
    return (
        ("all start at once", lambda world: _start(world, fetchers)),
        ("rolling restart", _rolling),
        ("kill -9 of a fifth at once", lambda world: _kill(world, fetchers // 5)),
        ("they come back", lambda world: _start(world, fetchers // 5)),
        ("half of them end", lambda world: world.terminate(*world.chosen(fetchers // 2))),
        ("and start again", lambda world: _start(world, fetchers // 2)),
        ("a tenth of mailboxes added, a tenth deleted", lambda world: _exchanged(world, mailboxes)),
        (f"store away for {STORE_AWAY_SECONDS:g} s", lambda world: world.store.away(STORE_AWAY_SECONDS)),
        (f"store stands still for {STORE_FROZEN_SECONDS:g} s", lambda world: world.store.frozen(STORE_FROZEN_SECONDS)),
        ("start while the store stands still", lambda world: _frozen_start(world, fetchers)),
        ("fetchers with wrong clocks, store away", _wrong_clocks),
    )


async def at_rest(world: World, seconds: float) -> tuple[float, float]:
    """Round trips and documents a second that the fleet asks of the store while nothing happens."""
    began = int(elapsed()) + 1
    await asyncio.sleep(seconds + 1)
    ended = int(elapsed())
    counted = [sum(of[at] for at in range(began, ended)) for of in (world.store.trips, world.store.documents)]
    return counted[0] / (ended - began), counted[1] / (ended - began)


async def _observed(world: World, name: str, event: Event) -> Figures:
    before, book, began = dict(world.book.reader), world.book, int(elapsed())
    book.begin()
    await event(world)
    settled, shares = await world.settled(), book.shares()
    seconds = range(began, int(elapsed()) + 1)
    return Figures(
        event=name,
        fetchers=len(world.fetchers),
        mailboxes=len(world.mailboxes),
        **asdict(settled),
        longest_without_reader=book.gap(),
        moves=book.moves.total(),
        least_moves=least_moves(before, world.mailboxes, world.fetchers),
        most_moves_of_one=max(book.moves.values(), default=0),
        most_of_mailbox=book.most_of_mailbox,
        most_of_host=book.most_of_host,
        sign_ins=book.sign_ins.total(),
        sign_ins_in_a_second=max(book.sign_ins.values(), default=0),
        smallest_share=min(shares.get(one, 0) for one in world.fetchers),
        largest_share=max(shares.values(), default=0),
        trips_in_a_second=max(world.store.trips[at] for at in seconds),
        documents_in_a_second=max(world.store.documents[at] for at in seconds),
        wait=elapsed() - book.began,
    )


async def _start(world: World, count: int) -> None:
    await world.start(count)


async def _rolling(world: World) -> None:
    for one in tuple(world.fetchers.values()):
        await world.start(1)
        await asyncio.sleep(ROLLING_PAUSE_SECONDS)
        await world.terminate(one)


async def _kill(world: World, count: int) -> None:
    await world.kill(*world.chosen(count))


async def _exchanged(world: World, mailboxes: int) -> None:
    tenth = mailboxes // 10
    world.configure(range(tenth, mailboxes + tenth))


async def _frozen_start(world: World, fetchers: int) -> None:
    """Half of them are killed; what takes their mailboxes asks for them just when the store stands still."""
    await world.kill(*world.chosen(fetchers // 2))
    await asyncio.sleep(29)
    for seconds in (0.7, 13.0, 0.3, 25.0):
        await world.store.frozen(seconds)
        await asyncio.sleep(0.6)
    await world.start(fetchers // 2)


async def _wrong_clocks(world: World) -> None:
    await world.terminate(*world.chosen(len(CLOCKS)))
    for clock in CLOCKS:
        await world.start(1, clock=clock)
    await asyncio.sleep(20)
    await world.store.away(STORE_AWAY_SECONDS)
