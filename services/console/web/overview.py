"""The first page: do the books balance, how fast does mail become tickets, what waits, and who needs help."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fastapi import Request
from starlette.responses import Response

from services.console import latest_events, overview
from services.console.api.surroundings import Here, Surroundings
from services.console.mailbox_health import Health, Pill
from services.console.web import kit
from services.console.web.charts import Column
from services.console.web.visitor import Me
from shared.domain.access import ApiToken, Role
from shared.domain.statistics import Books, Hour

TERMS: Final = (
    ("ticket", "ticketed"),
    ("reply", "appended"),
    ("duplicate", "duplicates"),
    ("rejected", "rejected"),
    ("quarantined", "quarantined"),
    ("in_flight", "in flight"),
)
"""The sum that every mail stands in once: the name of each outcome in the books, and in words."""
PARTS: Final = (
    ("on a ticket", ("ticket", "reply", "duplicate")),
    ("rejected", ("rejected",)),
    ("not decided yet", ("quarantined", "in_flight")),
)
"""What the columns of a day are made of."""
UNWELL: Final = {
    Pill.AUTH_FAILED: ("bad", "Sign-in failed"),
    Pill.NEEDS_ATTENTION: ("bad", "Needs attention"),
    Pill.DELAYED: ("warn", "Delayed"),
    Pill.NEVER_CONNECTED: ("warn", "Never connected"),
}
"""Mailboxes that somebody should look at, the worst first: how that looks, and what it is called."""
ROWS, SHOWN = 12, 6
SOON: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Line:
    """The sum of one mailbox, or of several: `terms` are as TERMS."""

    name: str
    terms: tuple[int, ...]
    unaccounted: int

    @property
    def mails(self) -> int:
        """All of the ledger."""
        return sum(self.terms)


async def show(request: Request, here: Here, me: Me) -> Response:
    """The whole of it; before the first mailbox, how to begin."""
    now = here.clock.now()
    found = await overview.read(here.store, now, await here.depths())
    lines = _lines(found.books)
    return await kit.render(
        request,
        "overview.html",
        title="Overview",
        crumbs=[("Overview", None)],
        found=found,
        boxes=len(found.boxes),
        terms=TERMS,
        parts=[words for words, _ in PARTS],
        heads=[(words, "number") for words in (*(words for _, words in TERMS), "unaccounted")],
        lines=shortened(lines),
        total=summed("Total", lines),
        hours=hourly(found.hours, now),
        days=daily(found.days, now),
        speed=speed(found.hours),
        seconds=seconds,
        medians=[one.median_seconds or 0.0 for one in found.hours],
        unwell=_unwell(found.boxes),
        shown=SHOWN,
        looks=UNWELL,
        expiring=await _expiring(here, me.role, now),
        endings=found.endings,
        owed_limit=latest_events.OWED_LIMIT,
        may_edit=me.role.covers(Role.EDITOR),
    )


def summed(name: str, lines: Sequence[Line]) -> Line:
    """Several lines as one."""
    terms = tuple(sum(one.terms[at] for one in lines) for at in range(len(TERMS)))
    return Line(name, terms, sum(one.unaccounted for one in lines))


def shortened(lines: Sequence[Line]) -> Sequence[Line]:
    """Those that do not balance first, then by mails; behind the first few, the others as one."""
    ordered = sorted(lines, key=lambda one: (-one.unaccounted, -one.mails, one.name))
    if len(ordered) <= ROWS:
        return ordered
    rest = ordered[ROWS:]
    return [*ordered[:ROWS], summed(f"{len(rest)} others", rest)]


def hourly(hours: Sequence[Hour], now: datetime) -> tuple[Column, ...]:
    """The last 24 hours, oldest first, also those in which nothing came."""
    known = {one.start: one.outcomes for one in hours}
    last = now.replace(minute=0, second=0, microsecond=0)
    starts = [last - timedelta(hours=back) for back in reversed(range(24))]
    return tuple(
        Column(f"{one:%d %b, %H:00}", f"{one:%H}" if one.hour % 6 == 0 else "", _parts(known.get(one, {})))
        for one in starts
    )


def daily(days: Mapping[str, int], now: datetime) -> tuple[Column, ...]:
    """The last 14 days, oldest first, also those on which nothing came."""
    dates = [now.date() - timedelta(days=back) for back in reversed(range(14))]
    return tuple(
        Column(f"{one:%d %b}", f"{one.day}." if at % 3 == 1 else "", (float(days.get(one.isoformat(), 0)),))
        for at, one in enumerate(dates)
    )


def speed(hours: Sequence[Hour]) -> Hour | None:
    """The last hour whose mail became tickets: nothing is said of hours without."""
    return next((one for one in reversed(hours) if one.median_seconds is not None), None)


def seconds(value: float | None) -> str:
    """A latency as people read it."""
    if value is None:
        return "–"
    if value < 60:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


def _parts(outcomes: Mapping[str, int]) -> tuple[float, ...]:
    return tuple(float(sum(outcomes.get(name, 0) for name in names)) for _, names in PARTS)


def _lines(books: Books | None) -> tuple[Line, ...]:
    return tuple(
        Line(one.mailbox, tuple(one.total.get(name, 0) for name, _ in TERMS), one.total.get("unaccounted", 0))
        for one in (books.rows if books else ())
    )


def _unwell(boxes: Sequence[Health]) -> list[Health]:
    order = list(UNWELL)
    return sorted((one for one in boxes if one.pill in UNWELL), key=lambda one: order.index(one.pill))


async def _expiring(here: Surroundings, role: Role, now: datetime) -> list[ApiToken]:
    """Tokens that still open and soon will not; only for those who may make new ones."""
    if not role.covers(Role.ADMINISTRATOR):
        return []
    found = [one for one in await here.store.api_tokens.all() if one.valid(now)]
    return [one for one in found if one.expires_at is not None and one.expires_at - now < SOON]
