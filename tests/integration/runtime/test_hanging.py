"""A consume loop that hangs, on a real broker and over the real admin port: what the liveness probe of a pod sees.

The clock is the test's, so that minutes take none.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from shared.broker import topology
from shared.broker.client import Broker
from shared.contracts.messages import EmailAccepted
from shared.domain.errors import StoreUnavailable
from shared.runtime import admin
from shared.runtime.clock import Clock
from shared.runtime.consume.loop import Consumer, Lane
from shared.runtime.consume.outcome import Outcome, Result
from shared.runtime.process import Process
from shared.runtime.pulse import WAITING_SECONDS, WORKING_SECONDS
from tests.integration.runtime.test_consume import Books, publish, until


class Moved(Clock):
    """A clock that the test puts ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@dataclass
class Hangs:
    """A handler that does not return from a mail called `stuck` until it is let go; others are done at once."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    away: bool = False
    begun: list[str] = field(default_factory=list[str])
    handled: list[str] = field(default_factory=list[str])

    async def handle(self, messages: Sequence[EmailAccepted]) -> Sequence[Result]:
        self.begun += [one.mail_id for one in messages]
        if self.away:
            raise StoreUnavailable("away")
        if any(one.mail_id == "stuck" for one in messages):
            await self.go.wait()
        self.handled += [one.mail_id for one in messages]
        return [Outcome("done") for _ in messages]

    async def settle(self, messages: Sequence[EmailAccepted], outcomes: Sequence[Result]) -> None:
        """Nothing to settle."""


@dataclass
class Watched:
    """A running stage and what asks its admin port."""

    process: Process
    clock: Moved
    client: httpx.AsyncClient

    async def livez(self) -> tuple[int, str]:
        answer = await self.client.get("/livez")
        return answer.status_code, answer.text

    async def becomes(self, code: int, lines: int = 1) -> str:
        """Until /livez answers so; the loops that wait for work tick once a second."""
        async with asyncio.timeout(20):
            while True:
                found, text = await self.livez()
                if found == code and len(text.splitlines()) == lines:
                    return text
                await asyncio.sleep(0.05)


@asynccontextmanager
async def watched(broker: Broker, handler: Hangs) -> AsyncGenerator[Watched, None]:
    """Two workers, as stages have them."""
    clock = Moved()
    process = Process("classifier", {}, clock)
    listener = admin.bind("127.0.0.1", 0)
    server = admin.server(process)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    lane = Lane("classifier", topology.CLASSIFIER, window=20, batch=1)
    running = asyncio.create_task(Consumer(process, broker, lane, EmailAccepted, handler, Books(), "/test").run())
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            yield Watched(process, clock, client)
    finally:
        handler.go.set()
        process.draining.set()
        await asyncio.wait_for(running, 20)
        server.should_exit = True
        await serving


async def test_a_handler_that_never_returns_turns_livez_bad_though_its_neighbour_works_on(broker: Broker) -> None:
    """With the loop and what it is at. Whoever probes restarts the process, and the mail is delivered again."""
    handler = Hangs()
    async with watched(broker, handler) as stage:
        await publish(broker, "stuck")
        await until(lambda: handler.begun == ["stuck"])
        stage.clock.ahead = WORKING_SECONDS / 2
        assert await stage.becomes(200) == "ok", "it may only be slow"
        stage.clock.ahead = WORKING_SECONDS + 1
        sentence = await stage.becomes(503)
        assert sentence.startswith("the work loop classifier ")
        assert "a batch of 1, nothing done for 30" in sentence
        await publish(broker, "next")
        await until(lambda: "next" in handler.handled)
        assert (await stage.livez())[0] == 503, "a neighbour that works hides nothing"
        exposed = (await stage.client.get("/metrics")).text
        assert "\nmail_automator_work_loops_hung 1.0" in exposed
        handler.go.set()
        assert await stage.becomes(200) == "ok"


async def test_a_store_that_is_away_for_long_makes_no_loop_count_as_hung(broker: Broker) -> None:
    """Or its restart would restart the fleet."""
    handler = Hangs(away=True)
    async with watched(broker, handler) as stage:
        await publish(broker, "m1")
        await until(lambda: len(handler.begun) == 1)
        for tries in (2, 3):
            stage.clock.ahead += WAITING_SECONDS - 5
            await until(lambda tries=tries: len(handler.begun) >= tries)  # type: ignore[misc]
            assert (await stage.livez()) == (200, "ok")
        assert stage.clock.ahead > WAITING_SECONDS
        handler.away = False
        await until(lambda: handler.handled == ["m1"])
