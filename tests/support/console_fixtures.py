"""Fixtures of a running console, for the tests of its pages with a browser and without."""

from collections.abc import AsyncIterator

import pytest_asyncio

from shared.store.client import Store
from tests.support.console import Console, running_console
from tests.support.embedded_store import FakeClock


@pytest_asyncio.fixture
async def empty(store: Store, clock: FakeClock) -> AsyncIterator[Console]:
    """A console without a user."""
    async with running_console(store, clock) as running:
        yield running


@pytest_asyncio.fixture
async def console(empty: Console) -> Console:
    """A console with a user of each role."""
    await empty.people()
    return empty
