"""An entry of the catalogue is written: its fields, what its keywords catch, its back-test, saving it.

Nothing is kept between pages: what was typed comes back with every answer, with the revision that it began with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from services.console import keywords as catching
from services.console.api import catalogue as api
from services.console.api.problems import Refused
from services.console.api.surroundings import Here, Surroundings
from services.console.backtest import USUAL, Wanted
from services.console.configuration.documents import Documents
from services.console.configuration.problems import ConfigurationProblems
from services.console.rules import saved as saved_rules
from services.console.rules import unsaved
from services.console.web import backtesting, catalogue_form, catalogue_history, email_form, kit
from services.console.web.catalogue import LIST, crumbs, find, mentions, path_of
from services.console.web.catalogue_form import SHAPES, Part, Shape, Values
from services.console.web.errors import sentence
from services.console.web.visitor import Me, Visitor
from shared.domain.access import Role
from shared.domain.catalogue import Catalogue, Department
from shared.store.rates import TooOften

SHOWN: Final = 10
"""So many subjects are shown of each keyword."""
NOTHING_MORE: Final[Mapping[str, Any]] = {
    "wrong": {},
    "note": "",
    "caught": None,
    "tried": None,
    "changes": (),
    "lines": (),
}
NO_KEYWORDS: Final = "Give a keyword first."


@dataclass(frozen=True, slots=True)
class Written:
    """What is written: an entry of a part of the catalogue (`name` is empty while it is new), its values, and the
    revision of the catalogue that it changes. `saved` is the catalogue of now."""

    saved: Catalogue
    shape: Shape
    name: str
    values: Values
    revision: int


async def new(request: Request, here: Here, me: Me, kind: Part) -> Response:
    """Ask for a new one."""
    saved, shape = await here.store.catalogue.load(), SHAPES[kind]
    return await _page(request, here, me, Written(saved, shape, "", catalogue_form.blank(shape), saved.revision))


async def create(request: Request, here: Here, me: Me, kind: Part) -> Response:
    """Take a new one: try it, or save it."""
    return await _take(request, here, me, SHAPES[kind], "")


async def show(request: Request, here: Here, me: Me, kind: Part, name: str) -> Response:
    """One of them; to change it for those who may."""
    saved, shape = await here.store.catalogue.load(), SHAPES[kind]
    values = catalogue_form.shown(shape, find(saved, shape, name))
    return await _page(request, here, me, Written(saved, shape, name, values, saved.revision))


async def save(request: Request, here: Here, me: Me, kind: Part, name: str) -> Response:
    """Take one that is there: try it, or save it."""
    return await _take(request, here, me, SHAPES[kind], name)


async def _take(request: Request, here: Surroundings, me: Visitor, shape: Shape, name: str) -> Response:
    form, saved = await request.form(), await here.store.catalogue.load()
    revision = kit.number(str(form.get("revision", "")))
    if name and revision == saved.revision:
        find(saved, shape, name)
    values = {**catalogue_form.typed(shape, form), **({"name": name} if name else {})}
    written = Written(saved, shape, name, values, revision)
    try:
        document = catalogue_form.document(shape, values)
        if not name and catalogue_form.entry(saved, shape, values["name"]):
            return await _wrong(request, here, me, written, {"name": f"There is a {shape.word} of that name already."})
        match form.get("do"):
            case "catch":
                return await _caught(request, here, me, written, document)
            case "try":
                return await _tried(request, here, me, written, document)
            case _:
                return await _save(request, here, me, written, document)
    except ConfigurationProblems as error:
        return await _wrong(request, here, me, written, email_form.errors(error))


async def _save(request: Request, here: Surroundings, me: Visitor, written: Written, document: Documents) -> Response:
    if written.revision != written.saved.revision:
        return await _conflict(request, here, me, written, document)
    try:
        await api.save(here, me.who, document, written.saved, whole=False)
    except Refused as error:
        if error.status != 412:
            raise
        return await _conflict(request, here, me, replace(written, saved=await here.store.catalogue.load()), document)
    what = f"{written.shape.word} {written.values['name']}"
    await kit.flash(request, "done", f"The {what} is saved and counts within seconds.")
    return kit.redirect(request, LIST)


async def _conflict(
    request: Request, here: Surroundings, me: Visitor, written: Written, document: Documents
) -> Response:
    """Somebody was faster: who, and what saving would change of the entry as it is now."""
    saved, shape = written.saved, written.shape
    (item,) = (one.item for one in document.catalogue)
    there = catalogue_form.entry(saved, shape, item.name)
    again = replace(written, name=written.name if there else "", revision=saved.revision)
    return await _page(
        request,
        here,
        me,
        again,
        409,
        changes=await catalogue_history.changes_since(here.store, written.revision, saved.revision),
        lines=catalogue_history.between(shape.kind, there, item),
    )


async def _caught(request: Request, here: Surroundings, me: Visitor, written: Written, document: Documents) -> Response:
    """Which recent subjects each keyword would catch."""
    (item,) = (one.item for one in document.catalogue)
    if isinstance(item, Department) or not item.keywords:
        return await _wrong(request, here, me, written, {"keywords": NO_KEYWORDS})
    return await _page(request, here, me, written, caught=await catching.catches(here.store, item))


async def _tried(request: Request, here: Surroundings, me: Visitor, written: Written, document: Documents) -> Response:
    """What would have become of the last mails of all mailboxes."""
    rules = await saved_rules(here.store)
    try:
        found = await backtesting.run(request, here, me.who, rules, unsaved(rules, document), Wanted())
    except TooOften as error:
        told = f"{sentence(error.what)} {sentence(error.remedy)}"
        return await _page(request, here, me, written, 429, note=told)
    if found is None:
        return Response(status_code=204)
    return await _page(request, here, me, written, tried=found)


async def _wrong(
    request: Request, here: Surroundings, me: Visitor, written: Written, wrong: Mapping[str, str]
) -> Response:
    """The same page again, with what is wrong at its field; what has no field here stands above."""
    told = " ".join(words for one, words in wrong.items() if one not in written.values)
    note = told or "Something is not right yet: it stands at its field."
    return await _page(request, here, me, written, 422, wrong=wrong, note=note)


async def _page(
    request: Request, here: Surroundings, me: Visitor, written: Written, status: int = 200, **more: Any
) -> Response:
    """The page of an entry. `more`: errors, caught subjects, a back-test, who was faster."""
    shape, name = written.shape, written.name
    boxes = await here.store.mailboxes.all()
    return await kit.render(
        request,
        "catalogue_entry.html",
        title=name or f"New {shape.word}",
        crumbs=crumbs(shape, (name, None)) if name else crumbs(shape),
        status=status,
        written=written,
        path=path_of(shape, name or "new"),
        departments=_departments(written.saved),
        mentions=mentions(written.saved, boxes, shape, name) if name else (),
        may_edit=me.role.covers(Role.EDITOR),
        facts=catalogue_form.facts(written.values),
        subjects=catching.USUAL,
        usual=USUAL,
        shown=SHOWN,
        **{**NOTHING_MORE, **more},
        conflict=status == 409,
    )


def _departments(catalogue: Catalogue) -> list[tuple[str, str]]:
    return [("", "None"), *((one.name, one.title or one.name) for one in catalogue.departments)]
