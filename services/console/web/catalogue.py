"""The catalogue: its three lists, who names what of it, and taking something out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from starlette.responses import Response

from services.console.api import catalogue as api
from services.console.api.problems import Refused
from services.console.api.surroundings import Here, Surroundings
from services.console.configuration.documents import CatalogueItem
from services.console.configuration.export import items
from services.console.configuration.plan import references
from services.console.configuration.problems import ConfigurationProblems
from services.console.web import catalogue_form, catalogue_history, kit
from services.console.web.catalogue_form import SHAPES, Part, Shape
from services.console.web.errors import sentence
from services.console.web.kit import Crumbs
from services.console.web.visitor import Me
from shared.domain.access import AuditRecord, Role
from shared.domain.catalogue import Catalogue
from shared.domain.mailbox import Mailbox, MailboxSpec

LIST: Final = "/catalogue"


@dataclass(frozen=True, slots=True)
class Mention:
    """Something that names an entry, and the fields by which it does."""

    title: str
    path: str
    fields: Sequence[str]


async def list_(request: Request, here: Here, me: Me) -> Response:
    """All services, processes and departments."""
    saved = await here.store.catalogue.load()
    boxes = await here.store.mailboxes.all()
    return await kit.render(
        request,
        "catalogue.html",
        title="Catalogue",
        crumbs=[("Catalogue", None)],
        parts={one.part: catalogue_form.entries(saved, one) for one in SHAPES.values()},
        shapes=SHAPES.values(),
        any=bool(items(saved)),
        by_mailboxes=_counted(one.spec for one in boxes),
        by_entries=_counted(items(saved)),
        may_edit=me.role.covers(Role.EDITOR),
    )


async def ask_delete(request: Request, here: Here, kind: Part, name: str) -> Response:
    """Ask once more, and say who names it."""
    saved, shape = await here.store.catalogue.load(), SHAPES[kind]
    return await _ask(request, here, saved, shape, find(saved, shape, name))


async def delete(request: Request, here: Here, me: Me, kind: Part, name: str) -> Response:
    """Take it out, unless somebody names it or the catalogue was changed since the question."""
    form, saved = await kit.form(request), await here.store.catalogue.load()
    shape = SHAPES[kind]
    item, revision = find(saved, shape, name), kit.number(form.get("revision", ""))
    if revision != saved.revision:
        return await _ask(request, here, saved, shape, item, status=409, since=revision)
    try:
        await api.save(here, me.who, catalogue_form.without(saved, item), saved, whole=True)
    except ConfigurationProblems as error:
        return await _ask(request, here, saved, shape, item, status=422, problems=error)
    except Refused as error:
        if error.status != 412:
            raise
        return await _ask(request, here, await here.store.catalogue.load(), shape, item, status=409, since=revision)
    await kit.flash(request, "done", f"The {shape.word} {name} is deleted. Tickets that have it keep it.")
    return kit.redirect(request, LIST)


def find(catalogue: Catalogue, shape: Shape, name: str) -> CatalogueItem:
    """The entry of that name. Raises Refused 404."""
    item = catalogue_form.entry(catalogue, shape, name)
    if item is None:
        raise Refused(404, f"there is no {shape.word} {name}", remedy="the catalogue lists all", code="unknown_entry")
    return item


def mentions(saved: Catalogue, boxes: Iterable[Mailbox], shape: Shape, name: str) -> tuple[Mention, ...]:
    """Who names it: mailboxes, services, processes."""
    return tuple(one for one in _mentions(saved, boxes, (shape.kind, name)) if one.fields)


def crumbs(shape: Shape, *more: tuple[str, str | None]) -> Crumbs:
    """Where a page under the catalogue is."""
    return [("Catalogue", LIST), *more] if more else [("Catalogue", LIST), (f"New {shape.word}", None)]


def path_of(shape: Shape, name: str) -> str:
    """The page of an entry."""
    return f"{LIST}/{shape.part}/{name}"


async def _ask(
    request: Request,
    here: Surroundings,
    saved: Catalogue,
    shape: Shape,
    item: CatalogueItem,
    *,
    status: int = 200,
    problems: ConfigurationProblems | None = None,
    since: int | None = None,
) -> Response:
    found: Sequence[AuditRecord] = ()
    if since is not None:
        found = await catalogue_history.changes_since(here.store, since, saved.revision)
    return await kit.render(
        request,
        "catalogue_delete.html",
        title=f"Delete {item.name}?",
        crumbs=crumbs(shape, (item.name, path_of(shape, item.name)), ("Delete", None)),
        status=status,
        shape=shape,
        item=item,
        path=path_of(shape, item.name),
        revision=saved.revision,
        mentions=mentions(saved, await here.store.mailboxes.all(), shape, item.name),
        problems=[sentence(f"{one.what} ({one.where})") for one in problems.problems] if problems else (),
        changes=found,
    )


def _mentions(saved: Catalogue, boxes: Iterable[Mailbox], named: tuple[str, str]) -> Iterator[Mention]:
    for box in boxes:
        yield Mention(f"Mailbox {box.name}", f"/mailboxes/{box.name}", _fields(box.spec, named))
    for shape in SHAPES.values():
        for one in catalogue_form.entries(saved, shape):
            yield Mention(f"{shape.kind} {one.name}", path_of(shape, one.name), _fields(one, named))


def _fields(thing: MailboxSpec | CatalogueItem, named: tuple[str, str]) -> Sequence[str]:
    """The fields of something that name it, each once."""
    return tuple(dict.fromkeys(one.path[-1] for one in references(thing) if (one.kind, one.name) == named))


def _counted(things: Iterable[MailboxSpec | CatalogueItem]) -> Counter[tuple[str, str]]:
    """How many of them name what, each counted once."""
    return Counter(named for one in things for named in {(each.kind, each.name) for each in references(one)})
