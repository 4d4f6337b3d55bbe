"""Mailboxes: list, read, create, replace, delete, pause, resume, versions, roll-back."""

from dataclasses import replace as replaced
from typing import Annotated, Any

from fastapi import Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from services.console import changes, mailbox_health
from services.console.api import bodies, paging, preconditions
from services.console.api.caller import Asking, Caller
from services.console.api.preconditions import IfMatch
from services.console.api.problems import Refused
from services.console.api.repeats import once
from services.console.api.sources import check_sources
from services.console.api.surroundings import Here, Surroundings
from services.console.api.views import MailboxList, MailboxView
from services.console.configuration import apply as applying
from services.console.configuration.documents import Documents, MailboxDocument
from services.console.configuration.plan import Action, Plan
from services.console.configuration.problems import Position, suggest
from shared.domain.mailbox import Mailbox
from shared.domain.value import Slug
from shared.store.failures import Conflict

Name = Annotated[Slug, Path(description="Name of the mailbox.")]
Force = Annotated[bool, Query(description="Also change a mailbox that `apply` manages; it is then no longer its.")]
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$"),
]


async def list_(
    here: Here,
    limit: paging.Limit = 50,
    after: Annotated[Slug | None, Query(description="`nextCursor` of the page before: a name.")] = None,
) -> JSONResponse:
    """List the mailboxes by name: configuration, state, and what became of their mails, as last counted."""
    rest = [one for one in await here.store.mailboxes.known() if after is None or one.name > after]
    found = rest[:limit]
    statuses, counts = await here.store.runtime.statuses(), await mailbox_health.counts(here.store)
    sign_ins = await here.store.sign_ins.states(found)
    views = tuple(
        MailboxView.of(one, statuses.get(one.name), counts.get(one.name), sign_ins.get(one.name)) for one in found
    )
    more = found[-1].name if len(rest) > limit else None
    return JSONResponse(MailboxList(items=views, next_cursor=more).dump())


async def show(here: Here, name: Name) -> JSONResponse:
    """Show one mailbox; its ETag is what a change needs."""
    return await _answer(here, await find(here, name))


async def create(here: Here, asking: Caller, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Create a mailbox. Fetching begins within seconds, from now on unless `startFrom` says otherwise."""
    data = await bodies.read(request)

    async def work() -> JSONResponse:
        stored = await save(here, asking, bodies.mailbox(data), None)
        return await _answer(here, stored, 201, {"Location": f"/api/v1/mailboxes/{stored.name}"})

    return await once(here.store, asking.key, idempotency_key, data, work)


async def replace(
    here: Here, asking: Caller, request: Request, name: Name, if_match: IfMatch = None, force: Force = False
) -> JSONResponse:
    """Replace the configuration of a mailbox. `passwordFrom: {stored: true}` keeps the secret that is stored."""
    data = await bodies.read(request)
    old = await _changeable(here, name, if_match, force)
    return await _answer(here, await save(here, asking, bodies.mailbox(data, name), old))


async def delete(here: Here, asking: Caller, name: Name, if_match: IfMatch = None, force: Force = False) -> Response:
    """Delete a mailbox and its secrets. Its tickets, its books and its versions stay."""
    old = await _changeable(here, name, if_match, force)
    await changes.delete_mailbox(here.store, asking.who, old)
    await here.tell()
    return Response(status_code=204)


async def pause(here: Here, asking: Caller, name: Name) -> JSONResponse:
    """Stop fetching a mailbox; its mail waits on the server."""
    return await _set_paused(here, asking, name, True)


async def resume(here: Here, asking: Caller, name: Name) -> JSONResponse:
    """Fetch a paused mailbox again."""
    return await _set_paused(here, asking, name, False)


async def accept_reappearance(here: Here, asking: Caller, name: Name) -> JSONResponse:
    """Take the mails that came back in masses and wait for a person (status code mass_reappearance)."""
    mailbox = await find(here, name)
    await changes.accept_reappearance(here.store, asking.who, mailbox)
    return await _answer(here, mailbox)


async def poll(here: Here, asking: Caller, name: Name) -> JSONResponse:
    """Have the mailbox read at once, whatever its fetcher waits for. `reading` tells who asked, and what came of it.

    While such a wish is open, another one changes nothing.
    """
    mailbox = await find(here, name)
    await changes.read_now(here.store, asking.who, mailbox, here.clock.now())
    return await _answer(here, mailbox)


async def versions(here: Here, name: Name) -> JSONResponse:
    """Every revision the mailbox ever had, newest first; also of one that was deleted."""
    found = await here.store.versions.of(name)
    if not found:
        await find(here, name)
    return JSONResponse(MailboxList(items=tuple(MailboxView.of(one) for one in found)).dump())


async def roll_back(
    here: Here, asking: Caller, request: Request, name: Name, if_match: IfMatch = None, force: Force = False
) -> JSONResponse:
    """Make the configuration of an earlier revision the newest. Secrets are today's, if they fit its servers."""
    revision = bodies.roll_back(await bodies.read(request))
    old = await _changeable(here, name, if_match, force)
    return await _answer(here, await save(here, asking, await past(here, name, revision), old))


async def past(here: Surroundings, name: str, revision: int) -> Documents:
    """An earlier revision as a document. Raises Refused 404."""
    found = await here.store.versions.get(name, revision)
    if found is None:
        remedy = f"GET /api/v1/mailboxes/{name}/versions lists them"
        raise Refused(404, f"mailbox {name} has no revision {revision}", remedy=remedy, code="unknown_revision")
    position = Position(bodies.SOURCE, 1, f"Mailbox {name} revision {revision}")
    return Documents((MailboxDocument(name, found.labels, found.spec, position),))


async def find(here: Surroundings, name: str) -> Mailbox:
    """The mailbox of that name. Raises Refused 404, with the closest name."""
    mailbox = await here.store.mailboxes.get(name)
    if mailbox is None:
        known = [one.name for one in await here.store.mailboxes.known()]
        remedy = suggest(name, known, "GET /api/v1/mailboxes lists all")
        raise Refused(404, f"there is no mailbox {name}", remedy=remedy, code="unknown_mailbox")
    return mailbox


async def _changeable(here: Surroundings, name: str, if_match: str | None, force: bool) -> Mailbox:
    old = await find(here, name)
    preconditions.check(if_match, old.revision)
    if not force:
        check_manager(old, "change its YAML document and apply it, or add ?force=true to take it over")
    return old


def check_manager(mailbox: Mailbox, remedy: str) -> None:
    """Raise Refused 409 for a mailbox that `apply` manages."""
    if mailbox.managed_by == "apply":
        raise Refused(409, f"mailbox {mailbox.name} is managed by `apply`", remedy=remedy, code="managed_by_apply")


async def save(here: Surroundings, asking: Asking, documents: Documents, old: Mailbox | None) -> Mailbox:
    """Plan and carry out, over the revision that was read (None: create): the code that `apply` runs.

    Raises Refused 403, 409 and 412, ConfigurationProblems.
    """
    (given,) = documents.mailboxes
    check_sources(asking.role, given.name, given.spec, old)
    todo = _over(await applying.plan(here.store, documents), old)
    if old is None and any(one.action is not Action.CREATE for one in todo.changes):
        raise _exists(given.name)
    try:
        await changes.carry_out(here.store, asking.who, todo)
    except Conflict:
        raise preconditions.stale(old.revision) if old else _exists(given.name) from None
    await here.tell()
    return await find(here, given.name)


def _over(todo: Plan, old: Mailbox | None) -> Plan:
    """The plan as this API's: over exactly the revision that was read, and no longer managed by `apply`."""
    fields: dict[str, Any] = {"managed_by": "console", **({"revision": old.revision} if old else {})}
    writes = tuple(replaced(one, mailbox=one.mailbox.model_copy(update=fields)) for one in todo.writes)
    return replaced(todo, writes=writes)


def _exists(name: str) -> Refused:
    remedy = "choose another name, or replace it with PUT"
    return Refused(409, f"there is a mailbox {name} already", remedy=remedy, code="exists")


async def _set_paused(here: Surroundings, asking: Asking, name: str, paused: bool) -> JSONResponse:
    stored = await changes.set_paused(here.store, asking.who, await find(here, name), paused)
    await here.tell()
    return await _answer(here, stored)


async def _answer(
    here: Surroundings, mailbox: Mailbox, status: int = 200, also: dict[str, str] | None = None
) -> JSONResponse:
    told, counts = await here.store.runtime.status(mailbox.name), await mailbox_health.counts(here.store)
    sign_ins = await here.store.sign_ins.states([mailbox])
    wish = (await here.store.wishes.of(mailbox.name)).reading
    view = MailboxView.of(mailbox, told, counts.get(mailbox.name), sign_ins.get(mailbox.name), wish)
    headers = {"ETag": preconditions.etag(mailbox.revision), **(also or {})}
    return JSONResponse(view.dump(), status, headers)
