"""W1-W11: one fault in one window, hit every time. What random faults hit rarely is asked for here by name.

The negative controls (`tests.chaos.controls`) stand on these: each window is one that some safety closes.
"""

import asyncio
import os
import signal
from pathlib import Path

import aio_pika

from shared.domain.mailbox_runtime import Phase
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.settle import settle
from tests.chaos.world import World

HIT_SECONDS = 60.0
BACKLOG = 240
"""More than two batches of a fetcher."""
SETTLE_SECONDS = 120.0
"""A window hurts a few mails; a world that has not mended them after so long does not mend them."""


async def calm(world: World, seconds: float) -> None:
    """W1: no fault at all: what comes in has the outcome and the answer that it must have."""
    world.traffic.deliver(60)
    await asyncio.sleep(2)
    world.traffic.deliver(60)
    await _answered(world, 5)


async def sighted_not_published(world: World, seconds: float) -> None:
    """W2: a fetcher dies when its mails are sighted and nobody has been told of them."""
    await _struck(world, "fetcher", "fetcher.after_sightings")


async def cursor_in_a_backlog(world: World, seconds: float) -> None:
    """W3: a fetcher dies behind its first cursor, with more mails listed in one mailbox than it takes at once.

    None of them is about another: a mail server may list a reply before its original, and in another batch. Every
    mailbox has been read before: the first cursor of one without mail would be the one that is struck.
    """
    await _everybody_waits(world)
    traffic, everywhere = world.traffic, world.traffic.mailboxes
    traffic.mailboxes, traffic.related = everywhere[:1], False
    await _struck(world, "fetcher", "fetcher.after_cursor", first=BACKLOG)
    traffic.mailboxes, traffic.related = everywhere, True


async def binding_removed(world: World, seconds: float) -> None:
    """W4: what one stage passes on reaches no queue."""
    connection = await aio_pika.connect(world.rabbitmq.url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.get_queue("mail.ticket_writer", ensure=False)
        await queue.unbind("mail", "email.classified")
        world.fault("unbind mail.ticket_writer")
    world.traffic.deliver(12)


async def work_in_hand(world: World, seconds: float) -> None:
    """W5: a stage dies with mail in its hands, before it has passed anything on."""
    await _struck(world, "filter", "filter.after_claims")


async def killed_again_and_again(world: World, seconds: float) -> None:
    """W6: a stage dies five times with the same mails in its hands; not one of them is to blame."""
    marker = _armed(world, "filter.after_claims")
    _kill_all(world, "filter")
    world.traffic.deliver(12)
    for _ in range(5):
        await _hit(world, marker, "filter.after_claims", 0)
        marker.unlink()
    world.plan.unlink()


async def tickets_written(world: World, seconds: float) -> None:
    """W7: a ticket writer dies when its tickets are written and its mails are not done."""
    await _struck(world, "ticket_writer", "ticket_writer.after_tickets")


async def numbers_in_hand(world: World, seconds: float) -> None:
    """W8: a ticket writer stops before its decision; another one decides; then the first goes on."""
    await _struck(world, "ticket_writer", "ticket_writer.after_numbers", stop=True)
    await settle(world, SETTLE_SECONDS)
    for pid in world.system.processes["ticket_writer"]:
        os.kill(pid, signal.SIGCONT)
    await asyncio.sleep(5)


async def tickets_untold(world: World, seconds: float) -> None:
    """W9: a ticket writer dies between a mail that is done and its event, and the queue goes with its messages."""
    await _struck(world, "ticket_writer", "ticket_writer.after_done", stop=True)
    connection = await aio_pika.connect(world.rabbitmq.url)
    async with connection:
        channel = await connection.channel()
        await channel.queue_delete("mail.ticket_writer")
        world.fault("delete mail.ticket_writer")
    _kill_all(world, "ticket_writer")


async def dot_unanswered(world: World, seconds: float) -> None:
    """W10: the SMTP server takes mails and hangs up without a word."""
    world.sink.mode = "drop_after_dot"
    world.fault("SMTP drop_after_dot")
    await _answered(world, 3)
    world.sink.mode = "ok"


async def dot_forgotten(world: World, seconds: float) -> None:
    """W11: the notifier dies when a mail was taken, before it has written that down."""
    await _struck(world, "notifier", "notifier.after_dot")


async def _answered(world: World, count: int) -> None:
    """Deliver until so many more acknowledgements lie in the sink."""
    wanted = len(world.sink.got) + count
    async with asyncio.timeout(HIT_SECONDS):
        while len(world.sink.got) < wanted:
            world.traffic.deliver(2)
            await asyncio.sleep(0.8)


async def _struck(world: World, service: str, point: str, *, first: int = 4, stop: bool = False) -> None:
    """Let one process of a service die (or stop) at that crash point, while mail comes in: `first` mails at once."""
    marker = _armed(world, point, ":stop" if stop else "")
    _kill_all(world, service)
    world.traffic.deliver(first)
    await _hit(world, marker, point, 4)
    world.plan.unlink()


async def _everybody_waits(world: World) -> None:
    """Until each mailbox has been read and waits for new mail. Raises TimeoutError."""
    async with asyncio.timeout(HIT_SECONDS):
        while not set(world.traffic.mailboxes) <= await _waiting(world):
            await asyncio.sleep(0.3)


async def _waiting(world: World) -> set[str]:
    return {name for name, status in (await world.store.runtime.statuses()).items() if status.state is Phase.IDLE}


def _armed(world: World, point: str, ending: str = "") -> Path:
    marker = world.plan.with_suffix(".hit")
    marker.unlink(missing_ok=True)
    world.plan.write_text(f"{point}:1:{marker}{ending}")
    return marker


def _kill_all(world: World, service: str) -> None:
    for pid in world.system.processes[service]:
        os.kill(pid, signal.SIGKILL)
        world.fault(f"kill -9 {service}")


async def _hit(world: World, marker: Path, point: str, mails: int) -> None:
    """Raises TimeoutError for a window that was not hit: a scenario that missed shows nothing."""
    async with asyncio.timeout(HIT_SECONDS):
        while not marker.exists():
            await asyncio.sleep(0.8)
            world.traffic.deliver(0 if marker.exists() else mails)
    world.hit.add(f"{point}:1")
    world.fault(f"struck at {point}")


_NONE = frozenset[str]()
_DOT = frozenset({"dot_faults"})
_ROWS = (
    ("W1", "no fault", calm, _NONE),
    ("W2", "a fetcher dies between sighting and publishing", sighted_not_published, _NONE),
    ("W3", "a fetcher dies behind its cursor, in a backlog", cursor_in_a_backlog, _NONE),
    ("W4", "a binding is removed", binding_removed, _NONE),
    ("W5", "a stage dies with mail in its hands", work_in_hand, _NONE),
    ("W6", "a stage dies five times with the same mails", killed_again_and_again, _NONE),
    ("W7", "a ticket writer dies behind its tickets", tickets_written, _NONE),
    ("W8", "a ticket writer stops before its decision", numbers_in_hand, _NONE),
    ("W9", "a done mail's event is lost with the queue", tickets_untold, _NONE),
    ("W10", "the final dot is not answered", dot_unanswered, _DOT),
    ("W11", "the notifier dies behind the final dot", dot_forgotten, _DOT),
)
SCENARIOS = tuple(
    Scenario(name, title, run, settle_seconds=SETTLE_SECONDS, allows=allows, short=False)
    for name, title, run, allows in _ROWS
)
