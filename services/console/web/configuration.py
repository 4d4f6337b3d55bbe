"""Configuration as YAML: exported, and imported after its difference was seen. The code of `export` and `apply`.

A pasted text may hold secrets: it is kept sealed until it is confirmed, and never shown again.
"""

import asyncio
import hashlib
import hmac
from dataclasses import replace
from typing import Final

from fastapi import Request
from starlette.responses import Response

from services.console import changes
from services.console.api.mailboxes import check_manager
from services.console.api.sources import check_sources
from services.console.api.surroundings import Here, Surroundings
from services.console.configuration import apply as applying
from services.console.configuration import pasted
from services.console.configuration.diff import summary, unified
from services.console.configuration.export import export
from services.console.configuration.plan import Action, Plan
from services.console.configuration.problems import ConfigurationProblems
from services.console.web import kit, mailbox_history
from services.console.web.errors import sentence
from services.console.web.mailboxes import NONE_CHOSEN
from services.console.web.visitor import Me
from shared.domain.catalogue import Catalogue
from shared.store.failures import Conflict

DRAFT: Final = "-import"
"""What the pasted text is kept as; no mailbox is called so."""
YAML: Final = "application/yaml"
CHANGED: Final = "The configuration changed meanwhile: look at the difference again."
GONE: Final = "The text is kept for a day only: paste it again."
MANAGED: Final = "change its document in Git and apply it there"


async def export_all(here: Here) -> Response:
    """All mailboxes and the catalogue, as a file."""
    return _file(export(await here.store.mailboxes.all(), await here.store.catalogue.load()))


async def export_some(request: Request, here: Here) -> Response:
    """The mailboxes that were chosen in the list, as a file."""
    chosen = frozenset((await request.form()).getlist("name"))
    found = [one for one in await here.store.mailboxes.all() if one.name in chosen]
    if not found:
        await kit.flash(request, "note", NONE_CHOSEN)
        return kit.redirect(request, "/mailboxes")
    return _file(export(found, Catalogue()))


async def ask(request: Request) -> Response:
    """Ask for the documents."""
    return await _page(request)


async def show(request: Request, here: Here, me: Me) -> Response:
    """What the documents would change."""
    text = (await kit.form(request)).get("text", "")
    try:
        todo = await _plan(here, me, text)
    except ConfigurationProblems as error:
        return await _page(request, problems=_words(error))
    if not todo.changes:
        return await _page(request, problems=("There is no document in this text.",))
    await here.store.drafts.put(me.user.key, DRAFT, {"text": text})
    return await _page(request, todo)


async def apply(request: Request, here: Here, me: Me) -> Response:
    """Carry out the difference that was seen."""
    seen = (await kit.form(request)).get("seen", "")
    kept = await here.store.drafts.get(me.user.key, DRAFT)
    if kept is None:
        return await _page(request, problems=(GONE,))
    try:
        todo = await _plan(here, me, str(kept["text"]))
        if not hmac.compare_digest(seen.encode(), _digest(todo).encode()):
            return await _page(request, todo, problems=(CHANGED,))
        await changes.carry_out(here.store, me.who, todo)
    except ConfigurationProblems as error:
        return await _page(request, problems=_words(error))
    except Conflict:
        return await _page(request, await _plan(here, me, str(kept["text"])), problems=(CHANGED,))
    await here.store.drafts.drop(me.user.key, DRAFT)
    await here.tell()
    await kit.flash(request, "done", f"The import is done: {summary(todo)}.")
    return kit.redirect(request, "/mailboxes")


async def _plan(here: Surroundings, me: Me, text: str) -> Plan:
    """What would change, by this person's rights. Raises ConfigurationProblems and Refused 403 and 409."""
    given = await asyncio.to_thread(pasted.documents, text)
    stored = {one.name: one for one in await here.store.mailboxes.all()}
    for one in given.mailboxes:
        check_sources(me.role, one.name, one.spec, stored.get(one.name))
    todo = await applying.plan(here.store, given)
    for write in todo.writes:
        if (old := stored.get(write.mailbox.name)) is not None:
            check_manager(old, MANAGED)
    return _ours(todo)


def _ours(todo: Plan) -> Plan:
    """The plan as this console's: what it writes is changed here from now on, not by `apply`."""
    writes = tuple(
        replace(one, mailbox=one.mailbox.model_copy(update={"managed_by": "console"})) for one in todo.writes
    )
    return replace(todo, writes=writes)


def _digest(todo: Plan) -> str:
    """A word for what a person has seen."""
    return hashlib.sha256(unified(todo).encode()).hexdigest()


def _words(error: ConfigurationProblems) -> tuple[str, ...]:
    return tuple(sentence(one.line()) for one in error.problems)


async def _page(request: Request, todo: Plan | None = None, problems: tuple[str, ...] = ()) -> Response:
    changed = todo is not None and todo.changed
    return await kit.render(
        request,
        "configuration_import.html",
        title="Import YAML",
        crumbs=[("Mailboxes", "/mailboxes"), ("Import YAML", None)],
        status=422 if problems and request.method == "POST" else 200,
        problems=problems,
        warnings=todo.warnings if todo else (),
        changes=[
            (f"{one.title}: {one.action.value}", mailbox_history.lines(unified(Plan((one,)))))
            for one in (todo.changes if todo else ())
            if one.action is not Action.UNCHANGED
        ],
        summary=summary(todo) if todo else "",
        shown=todo is not None,
        changed=changed,
        seen=_digest(todo) if todo else "",
    )


def _file(text: str) -> Response:
    headers = {
        "Content-Disposition": 'attachment; filename="mail-automator.yaml"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return Response(text, media_type=YAML, headers=headers)
