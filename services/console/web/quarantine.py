"""Quarantine: the mails whose attempts ran out, by cause; a whole group is sent again or discarded at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import Path, Request
from starlette.responses import Response

from services.console import replays
from services.console.api import paging
from services.console.api.problems import Refused
from services.console.api.surroundings import Here, Surroundings
from services.console.replays import NoReason, Order
from services.console.web import kit
from services.console.web.errors import sentence
from services.console.web.visitor import Me
from services.console.web.words import OUTCOMES, words
from shared.domain.decision import Kind
from shared.domain.ledger import LedgerEntry, State
from shared.store.ledger_documents import QUARANTINED
from shared.store.ledger_queries import Cause, Ended
from shared.store.mail_search import Wanted

Code = Annotated[str, Path(pattern=r"^[^\x00-\x1f\x7f/]{1,60}$")]
PAGE: Final = 50
"""Mails on a page."""
AT_ONCE: Final = 100
"""Mails that are sent again, or discarded, by one form: the oldest of the group."""


@dataclass(frozen=True, slots=True)
class Group:
    """The mails in quarantine for one cause, in whatever stages: how many, the oldest and newest, and some of them."""

    code: str
    stages: tuple[str, ...]
    mails: int
    first: datetime
    last: datetime
    examples: tuple[str, ...]


async def list_(request: Request, here: Here) -> Response:
    """All of it, by cause."""
    groups = _groups(await here.store.ledger.causes())
    examples = await here.store.ledger.get_many(one for group in groups for one in group.examples)
    return await kit.render(
        request,
        "quarantine.html",
        title="Quarantine",
        crumbs=[("Quarantine", None)],
        groups=groups,
        examples=examples,
    )


async def show(request: Request, here: Here, code: Code, cursor: paging.Cursor = None) -> Response:
    """The mails of one cause, the last that came there first."""
    wanted = Wanted(outcome=QUARANTINED, reason=code)
    found = await here.store.mail_search.find(wanted, PAGE, paging.read(cursor))
    return await kit.render(
        request,
        "quarantine_group.html",
        title=words(code),
        crumbs=[("Quarantine", "/quarantine"), (words(code), None)],
        code=code,
        entries=found.entries,
        cursor=paging.write(*found.more) if found.more else None,
    )


async def ask_replay(request: Request, here: Here, me: Me, code: Code) -> Response:
    """Show what the mails of a group would become under the rules of now."""
    return await _ask_replay(request, here, me, code, await _oldest(here, code))


async def replay(request: Request, here: Here, me: Me, code: Code) -> Response:
    """Send those again that were shown."""
    given = await kit.form(request)
    entries = await _shown(here, given)
    try:
        order = Order(me.who, replays.reason_text(given.get("why", "")))
    except NoReason as error:
        return await _ask_replay(request, here, me, code, entries, sentence(error.what))
    done = await replays.send_again(here.store, entries, order)
    return await _told(request, f"{len(done)} mails are in flight again: the bookkeeper sends them within a minute.")


async def ask_discard(request: Request, here: Here, code: Code) -> Response:
    """Ask why the mails of a group are discarded."""
    return await _ask_discard(request, code, await _oldest(here, code))


async def discard(request: Request, here: Here, me: Me, code: Code) -> Response:
    """Reject those for good that were shown."""
    given = await kit.form(request)
    entries = await _shown(here, given)
    try:
        order = Order(me.who, replays.reason_text(given.get("why", "")))
    except NoReason as error:
        return await _ask_discard(request, code, entries, sentence(error.what))
    done = await replays.discard(here.store, _undecided(entries), order, here.event_source)
    return await _told(request, f"{len(done)} mails are discarded.")


async def _ask_replay(
    request: Request, here: Surroundings, me: Me, code: str, entries: Sequence[LedgerEntry], error: str = ""
) -> Response:
    forecasts = await replays.forecast(here.store, entries, Order(me.who, ""))
    rows = [(one.entry, OUTCOMES[one.kind], one.sentence) for one in forecasts]
    possible = [one.entry for one in forecasts if one.changes]
    return await _ask(request, code, "replay", rows, possible, error)


async def _ask_discard(request: Request, code: str, entries: Sequence[LedgerEntry], error: str = "") -> Response:
    rows = [(one, OUTCOMES[_end(one)], _fate(one)) for one in entries]
    return await _ask(request, code, "discard", rows, _undecided(entries), error)


async def _ask(
    request: Request,
    code: str,
    move: str,
    rows: Sequence[tuple[LedgerEntry, tuple[str, str], str]],
    possible: Sequence[LedgerEntry],
    error: str,
) -> Response:
    title = "Send them again" if move == "replay" else "Discard them"
    return await kit.render(
        request,
        "quarantine_move.html",
        title=title,
        crumbs=[("Quarantine", "/quarantine"), (words(code), f"/quarantine/{code}"), (title, None)],
        status=422 if error else 200,
        code=code,
        move=move,
        rows=rows,
        mails=" ".join(one.mail_id for one in possible),
        possible=len(possible),
        most=AT_ONCE,
        error=error,
    )


async def _oldest(here: Surroundings, code: str) -> Sequence[LedgerEntry]:
    """Raises Refused 404 for a group without mails."""
    found = await here.store.ledger.ended(Ended(quarantined=True, reason=code), AT_ONCE)
    if not found:
        raise Refused(
            404, f"no mail is in quarantine for {code}", remedy="look at the quarantine", code="unknown_cause"
        )
    return found


async def _shown(here: Surroundings, given: Mapping[str, str]) -> tuple[LedgerEntry, ...]:
    """The mails that the form was about, as far as they are still in quarantine; in the order of their entry."""
    found = await here.store.ledger.get_many(given.get("mails", "").split()[:AT_ONCE])
    there = [one for one in found.values() if one.state is State.QUARANTINED]
    return tuple(sorted(there, key=lambda one: (one.stored_at, one.mail_id)))


def _groups(causes: Mapping[tuple[str, str], Cause]) -> tuple[Group, ...]:
    """By cause, the largest first; one that arose in several stages is one group."""
    found: dict[str, Group] = {}
    for (stage, code), cause in sorted(causes.items()):
        one = found.get(code, Group(code, (), 0, cause.first, cause.last, ()))
        first, last = min(one.first, cause.first), max(one.last, cause.last)
        examples = (*one.examples, *cause.examples)
        found[code] = Group(code, (*one.stages, stage), one.mails + cause.mails, first, last, examples)
    return tuple(sorted(found.values(), key=lambda one: (-one.mails, one.code)))


def _undecided(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """Those that can be discarded: a decision stands, and is executed by sending the mail again."""
    return [one for one in entries if one.decision is None]


def _end(entry: LedgerEntry) -> str:
    return Kind.REJECTED.value if entry.decision is None else replays.IMPOSSIBLE


def _fate(entry: LedgerEntry) -> str:
    if entry.decision is not None:
        return f"It was decided before: {entry.decision.sentence} Send it again: its decision stands."
    return f"It is rejected for good. It is here because {entry.failure.what}." if entry.failure else ""


async def _told(request: Request, done: str) -> Response:
    await kit.flash(request, "done", done)
    return kit.redirect(request, "/quarantine")
