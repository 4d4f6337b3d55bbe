"""The admin port over real HTTP: what the probes of an orchestrator see."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from shared.runtime import admin
from shared.runtime.process import Process


@pytest_asyncio.fixture
async def process() -> Process:
    """A process that has started, and has nothing yet."""
    process = Process("filter", {})
    process.ready("store", False)
    process.ready("broker", False)
    return process


@pytest_asyncio.fixture
async def client(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    """Asks its admin port."""
    listener = admin.bind("127.0.0.1", 0)
    server = admin.server(process)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
        yield client
    server.should_exit = True
    await serving


async def codes(client: httpx.AsyncClient) -> dict[str, int]:
    return {path: (await client.get(path)).status_code for path in ("/startupz", "/readyz", "/livez")}


async def test_a_process_has_started_once_it_had_everything_whatever_it_loses_later(
    process: Process, client: httpx.AsyncClient
) -> None:
    """A broker that restarts must not restart the fleet."""
    assert await codes(client) == {"/startupz": 503, "/readyz": 503, "/livez": 200}
    process.ready("store", True)
    assert await codes(client) == {"/startupz": 503, "/readyz": 503, "/livez": 200}
    process.ready("broker", True)
    assert await codes(client) == {"/startupz": 200, "/readyz": 200, "/livez": 200}
    process.ready("broker", False)
    assert await codes(client) == {"/startupz": 200, "/readyz": 503, "/livez": 200}


async def test_readiness_tells_its_parts_to_who_asks(process: Process, client: httpx.AsyncClient) -> None:
    """And the drain is one of them."""
    process.ready("store", True)
    process.draining.set()
    answer = (await client.get("/readyz?verbose")).json()
    assert answer == {"ready": False, "parts": {"store": True, "broker": False, "not_draining": False}}


async def test_the_version_is_told(process: Process, client: httpx.AsyncClient) -> None:
    """Of the service that answers."""
    assert (await client.get("/version")).json() == {"service": "filter", "version": process.version}
