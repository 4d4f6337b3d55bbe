"""What has to change so that the store holds what the documents say. Pure: decides, and touches nothing.

A plan is idempotent: carried out and planned again, everything is unchanged. Secrets are compared outside (`same`);
here only whether one is new counts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeVar

from pydantic import SecretStr

from services.console.configuration.documents import CatalogueItem, Documents, MailboxDocument
from services.console.configuration.export import as_yaml, item_document, items, mailbox_document
from services.console.configuration.problems import ConfigurationProblems, Position, suggest
from services.console.configuration.selector import Selector
from shared.domain.bindings import again, moved
from shared.domain.catalogue import Catalogue, Department, Process, Service
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import SECRET_FIELDS, Mailbox, MailboxSpec, split_secrets

EVERYTHING = Selector()


class Action(StrEnum):
    """What happens to one thing."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing: what happens to it, and its YAML before and after (empty if it is not there)."""

    action: Action
    kind: str
    name: str
    before: str = ""
    after: str = ""
    new_secrets: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """`Mailbox support`."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class MailboxWrite:
    """A mailbox to be stored, with the secrets to seal (by `part.field`); `create` if there must be none yet."""

    mailbox: Mailbox
    secrets: Mapping[str, SecretStr]
    create: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes, and what is to be written for them. `catalogue` is None if it stays as it is."""

    changes: tuple[Change, ...]
    writes: tuple[MailboxWrite, ...] = ()
    deletes: tuple[str, ...] = ()
    catalogue: Catalogue | None = None
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything would change."""
        return any(one.action is not Action.UNCHANGED for one in self.changes) or self.catalogue is not None


class Reference(NamedTuple):
    """A service or department that something names: its kind and name, and the path of the field."""

    kind: str
    name: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Current:
    """What the store holds. `same` names the inline secrets that equal the stored ones, as (mailbox, part.field)."""

    mailboxes: Mapping[str, Mailbox]
    catalogue: Catalogue = field(default_factory=Catalogue)
    same: frozenset[tuple[str, str]] = frozenset()


def decide(current: Current, given: Documents, *, prune: bool = False, selector: Selector = EVERYTHING) -> Plan:
    """The plan for the documents that carry the labels of `selector`. With `prune`, what is stored but not in the
    documents goes: only of kinds that the documents contain, and of mailboxes only those that `apply` made and that
    carry these labels. The catalogue has no labels once it is stored: with a selector nothing of it goes.

    Raises ConfigurationProblems: a name nobody has, a stored secret that does not exist or belongs to another server.
    """
    documents = selector.of(given)
    catalogue = _merged(current.catalogue, documents, prune and not selector)
    pairs = [_mailbox(current, one) for one in documents.mailboxes]
    doomed = _doomed(current, given, selector) if prune else ()
    problems = [*_stored_secret_problems(current, documents), *_dangling(current, documents, catalogue, doomed)]
    if problems:
        raise ConfigurationProblems(problems)
    changes = [*_catalogue_changes(current.catalogue, catalogue, documents), *(change for change, _ in pairs)]
    changes += [_deletion(current.mailboxes[name]) for name in doomed]
    return Plan(
        changes=tuple(changes),
        writes=tuple(write for change, write in pairs if change.action is not Action.UNCHANGED),
        deletes=doomed,
        catalogue=None if catalogue == current.catalogue else catalogue,
        warnings=documents.warnings,
    )


def outlook(current: Current, given: Documents) -> tuple[Mapping[str, Mailbox], Catalogue]:
    """All mailboxes by name, and the catalogue, as these documents would leave them. Secrets are not looked at.

    Raises ConfigurationProblems: a name nobody has.
    """
    catalogue = _merged(current.catalogue, given, prune=False)
    if problems := list(_dangling(current, given, catalogue, ())):
        raise ConfigurationProblems(problems)
    writes = {one.name: _mailbox(current, one)[1].mailbox for one in given.mailboxes}
    kept = {
        name: one.model_copy(update={"spec": writes[name].spec})
        for name, one in current.mailboxes.items()
        if name in writes
    }
    return {**current.mailboxes, **writes, **kept}, catalogue


def _merged(old: Catalogue, documents: Documents, prune: bool) -> Catalogue:
    given = [one.item for one in documents.catalogue]
    services = [one for one in given if isinstance(one, Service)]
    processes = [one for one in given if isinstance(one, Process)]
    departments = [one for one in given if isinstance(one, Department)]
    return old.model_copy(
        update={
            "services": _merge(old.services, services, prune),
            "processes": _merge(old.processes, processes, prune),
            "departments": _merge(old.departments, departments, prune),
        }
    )


T = TypeVar("T", Department, Service, Process)


def _merge(old: tuple[T, ...], new: list[T], prune: bool) -> tuple[T, ...]:
    """By name: what is there keeps its place, what is new follows. Pruned, the documents' own order is the order."""
    if prune and new:
        return tuple(new)
    by_name = {one.name: one for one in new}
    known = {one.name for one in old}
    return (*(by_name.get(one.name, one) for one in old), *(one for one in new if one.name not in known))


def _catalogue_changes(old: Catalogue, new: Catalogue, documents: Documents) -> Iterator[Change]:
    before = {_key(one): one for one in items(old)}
    after = {_key(one): one for one in items(new)}
    given = {_key(one.item) for one in documents.catalogue}
    for key, item in after.items():
        if key in given:
            yield _change(*key, _item_yaml(before.get(key)), _item_yaml(item))
    for key, item in before.items():
        if key not in after:
            yield _change(*key, _item_yaml(item), "")


def _key(item: CatalogueItem) -> tuple[str, str]:
    return type(item).__name__, item.name


def _item_yaml(item: CatalogueItem | None) -> str:
    return "" if item is None else as_yaml(item_document(item))


def _mailbox_yaml(mailbox: Mailbox) -> str:
    return as_yaml(mailbox_document(mailbox.name, mailbox.labels, mailbox.spec))


def _change(kind: str, name: str, before: str, after: str, new_secrets: tuple[str, ...] = ()) -> Change:
    if not before:
        action = Action.CREATE
    elif not after:
        action = Action.DELETE
    else:
        action = Action.UPDATE if before != after or new_secrets else Action.UNCHANGED
    return Change(action, kind, name, before, after, new_secrets)


def _deletion(mailbox: Mailbox) -> Change:
    return _change("Mailbox", mailbox.name, _mailbox_yaml(mailbox), "")


def _mailbox(current: Current, document: MailboxDocument) -> tuple[Change, MailboxWrite]:
    spec, secrets = split_secrets(document.spec)
    old = current.mailboxes.get(document.name)
    new = Mailbox(
        name=document.name,
        labels=document.labels,
        spec=spec,
        revision=old.revision if old else 1,
        managed_by="apply",
        paused=old.paused if old else False,
    )
    fresh = tuple(name for name in secrets if (document.name, name) not in current.same)
    change = _change("Mailbox", document.name, _mailbox_yaml(old) if old else "", _mailbox_yaml(new), fresh)
    return change, MailboxWrite(new, secrets, create=old is None)


def _doomed(current: Current, given: Documents, selector: Selector) -> tuple[str, ...]:
    """A mailbox that stands in any of the documents stays, whatever its labels are there."""
    if not given.mailboxes:
        return ()
    kept = {one.name for one in given.mailboxes}
    ours = {name: one for name, one in current.mailboxes.items() if one.managed_by == "apply" and name not in kept}
    return tuple(name for name, one in ours.items() if selector.takes(one.labels))


def _stored_secret_problems(current: Current, documents: Documents) -> Iterator[ConfigurationError]:
    for document in documents.mailboxes:
        old = current.mailboxes.get(document.name)
        for part, key in SECRET_FIELDS:
            if not is_stored(document.spec, part, key):
                continue
            where = ("spec", part, f"{key}_from")
            name = f"{part}.{key}"
            remedy = "give the secret again: by file, env, or inline"
            if old is None or not is_stored(old.spec, part, key):
                yield document.position.problem(f"no {name} is stored for this mailbox", remedy, where)
            elif what := moved(old.spec, document.spec, name):
                yield document.position.problem(what, again(name), where)


def is_stored(spec: MailboxSpec, part: str, key: str) -> bool:
    """Whether a spec reads this secret from our own encrypted store."""
    source = getattr(getattr(spec, part), f"{key}_from", None)
    return bool(source is not None and source.stored)


def references(thing: MailboxSpec | CatalogueItem) -> Iterator[Reference]:
    """What a mailbox or an entry of the catalogue names of the catalogue, and by which field."""
    match thing:
        case MailboxSpec():
            rules = thing.domains
            for name in rules.impact_services:
                yield Reference("Service", name, ("spec", "domains", "impactServices"))
            yield from _reference("Service", rules.default_service, ("spec", "domains", "defaultService"))
            yield from _reference("Department", rules.department, ("spec", "domains", "department"))
        case Service() | Process():
            yield from _reference("Department", thing.department, ("spec", "department"))
        case Department():
            return


def _reference(kind: str, name: str | None, path: tuple[str, ...]) -> Iterator[Reference]:
    if name is not None:
        yield Reference(kind, name, path)


def _dangling(
    current: Current, documents: Documents, catalogue: Catalogue, doomed: tuple[str, ...]
) -> Iterator[ConfigurationError]:
    """Every service or department that is named somewhere and exists nowhere."""
    known = {"Service": [one.name for one in catalogue.services]}
    known["Department"] = [one.name for one in catalogue.departments]
    given = {one.name: one for one in documents.mailboxes}
    for document in documents.mailboxes:
        yield from _unknown(document.spec, known, document.position)
    for name, mailbox in current.mailboxes.items():
        if name not in given and name not in doomed:
            yield from _unknown(mailbox.spec, known, Position("the store", mailbox.revision, f"Mailbox {name}"))
    positions = {_key(one.item): one.position for one in documents.catalogue}
    for item in items(catalogue):
        position = positions.get(_key(item)) or Position("the store", catalogue.revision, " ".join(_key(item)))
        yield from _unknown(item, known, position)


def _unknown(
    thing: MailboxSpec | CatalogueItem, known: Mapping[str, list[str]], position: Position
) -> Iterator[ConfigurationError]:
    for kind, name, path in references(thing):
        if name not in known[kind]:
            remedy = f"apply a document of kind {kind} with that name, or correct it"
            yield position.problem(f'no {kind} is named "{name}"', suggest(name, known[kind], remedy), path)
