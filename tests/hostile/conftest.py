"""Every row through real parser processes, once; what each took in time and memory is told at the end."""

import asyncio
from collections.abc import Sequence

import pytest

from services.console.corpus import Parsed, parsed
from services.filter.parser_pool import ParserPool
from tests.hostile.mails import ROWS, Row

COST = "cost of a hostile mail"


@pytest.fixture(scope="session")
def results() -> dict[str, Parsed]:
    """By the id of the row. One process parses all of them: what one leaves behind, the next finds."""

    async def run() -> tuple[dict[str, Parsed], int]:
        pool = ParserPool(1)
        try:
            found = {one.id: await parsed(pool, one.write()) for one in ROWS}
        finally:
            await pool.close()
        return found, pool.deaths

    found, deaths = asyncio.run(run())
    assert deaths == 0, "no row may cost a process"
    assert len(found) == len(ROWS), "two rows have one name"
    return found


@pytest.fixture
def cost(record_property):
    """Notes what a row took, for the summary."""

    def note(row: Row, found: Parsed) -> None:
        record_property(COST, (row.id, found.seconds, found.memory or 0))

    return note


def pytest_terminal_summary(terminalreporter) -> None:
    """The slowest row, and the one that took most memory."""
    reports = terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", [])
    costs: Sequence[tuple[str, float, int]] = [
        value for one in reports for name, value in one.user_properties if name == COST
    ]
    if costs:
        slowest, largest = max(costs, key=lambda one: one[1]), max(costs, key=lambda one: one[2])
        terminalreporter.write_sep("-", f"hostile mail: {len(costs)} rows")
        terminalreporter.write_line(f"slowest: {slowest[0]}, {slowest[1]:.2f} s")
        terminalreporter.write_line(
            f"most memory: {largest[0]}, {largest[2] / 1024 / 1024:.0f} MiB of a parser process"
        )
