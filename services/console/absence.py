"""Why a mail is not in the books: what can be said of each mailbox it may have reached. `explain` is pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from services.console import mailbox_health
from services.console.mailbox_health import Health, Pill
from shared.domain.mailbox_runtime import Cursor
from shared.store.client import Store


@dataclass(frozen=True, slots=True)
class Explanation:
    """One reason, with the mailbox it is about ("": all): `code` is for programs, `sentence` for people."""

    code: str
    mailbox: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Pause:
    """A mailbox was paused at an instant; None: it is not known until when, or it still is."""

    since: datetime
    until: datetime | None = None

    def covers(self, at: datetime | None) -> bool:
        """Whether it was paused then; without an instant, whether it still is."""
        return self.until is None if at is None else self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of one mailbox."""

    health: Health
    cursors: tuple[Cursor, ...] = ()
    holes: int = 0
    pauses: tuple[Pause, ...] = ()


def explain(
    looks: tuple[Look, ...], at: datetime | None, in_flight: int, *, configured: bool = True
) -> tuple[Explanation, ...]:
    """Every reason there may be, for a mail that was sent at `at` (None: it is not known when); `configured`: whether
    there is any mailbox."""
    general: list[Explanation] = []
    if not configured:
        general.append(Explanation("no_mailbox", "", "No mailbox is configured, so nothing is fetched."))
    elif not looks:
        general.append(Explanation("all_well", "", "Every mailbox is read: it was not delivered to one of them yet."))
    if in_flight:
        sentence = f"{in_flight} mails are in flight: in the books, found by Message-ID and sender, not decided yet."
        general.append(Explanation("in_flight", "", sentence))
    return (*general, *(one for look in looks for one in _of(look, at)))


def _of(look: Look, at: datetime | None) -> Iterator[Explanation]:
    name, success = look.health.mailbox.name, look.health.last_success_at
    for pause in look.pauses:
        if pause.covers(at):
            until = f"until {pause.until:%Y-%m-%d %H:%M} UTC" if pause.until else "and still is"
            sentence = f"The mailbox was paused at {pause.since:%Y-%m-%d %H:%M} UTC, {until}: its mail waits there."
            yield Explanation("paused", name, sentence)
    if look.health.pill is not Pill.HEALTHY:
        yield Explanation(look.health.pill.value, name, look.health.sentence or "The mailbox is not well.")
    for cursor in look.cursors:
        if at is not None and cursor.baseline_at is not None and at < cursor.baseline_at:
            sentence = f"It was sent before the mailbox was first connected ({cursor.baseline_at:%Y-%m-%d %H:%M} UTC)."
            yield Explanation("before_start", name, f"{sentence} Older mail is taken only when it is imported.")
    if look.holes:
        sentence = f"{look.holes} mails of the folder were listed and could not be fetched: it may be one of them."
        yield Explanation("unfetchable", name, sentence)
    if success is not None and (at is None or at < success):
        sentence = f"The folder was last read completely at {success:%Y-%m-%d %H:%M:%S} UTC; it was never seen there."
        yield Explanation("never_seen", name, sentence)
    elif success is not None:
        sentence = f"It was sent after the last complete pass ({success:%Y-%m-%d %H:%M:%S} UTC)."
        yield Explanation("not_read_yet", name, sentence)


async def told(store: Store, mailbox: str | None, at: datetime | None, now: datetime) -> tuple[Explanation, ...]:
    """Every reason there may be, of one mailbox or of all that are not well; none for a mailbox that there is not."""
    looks, in_flight = await read(store, mailbox, now)
    if mailbox is not None and not looks:
        return ()
    return explain(looks, at, in_flight, configured=bool(looks) or bool(await store.mailboxes.known()))


async def read(store: Store, mailbox: str | None, now: datetime) -> tuple[tuple[Look, ...], int]:
    """What is known of one mailbox, or of all that are not well; and how many mails are in flight."""
    wanted = await _meant(store, mailbox, now)
    cursors = await store.runtime.cursors(one.mailbox.name for one in wanted)
    holes, pauses = await store.sightings.count_holes(), await _pauses(store, mailbox) if mailbox else ()
    looks = [Look(one, cursors.get(one.mailbox.name, ()), holes.get(one.mailbox.name, 0), pauses) for one in wanted]
    books = await store.statistics.books()
    return tuple(looks), sum(row.total.get("in_flight", 0) for row in books.rows) if books else 0


async def _meant(store: Store, mailbox: str | None, now: datetime) -> list[Health]:
    if mailbox is None:
        return [one for one in await mailbox_health.read(store, now) if one.pill is not Pill.HEALTHY]
    found = await mailbox_health.read_one(store, mailbox, now)
    return [found] if found else []


async def _pauses(store: Store, name: str) -> tuple[Pause, ...]:
    """The audit log's account of pausing and resuming, newest first."""
    until: datetime | None = None
    found: list[Pause] = []
    for one in await store.audit.page(kind="Mailbox", name=name, limit=200):
        if one.action == "resume":
            until = one.at
        elif one.action == "pause":
            found.append(Pause(one.at, until))
            until = None
    return tuple(found)
