"""The fields of a service, process or department, and the document that they are. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from starlette.datastructures import FormData

from services.console.configuration.documents import API_VERSION, CatalogueDocument, CatalogueItem, Documents, parse
from services.console.configuration.export import items
from services.console.configuration.problems import Position
from services.console.configuration.source import RawDocument
from services.console.web.form_fields import lines, text, words
from shared.domain.catalogue import Catalogue

Part = Literal["services", "processes", "departments"]
Values = Mapping[str, Any]
"""What the fields hold, by their names in a document: texts, and lists of them."""
_READ: Final[Mapping[str, Callable[[FormData, str], str | list[str]]]] = {
    "name": text,
    "title": text,
    "keywords": lines,
    "senders": words,
    "recipients": words,
    "department": text,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A part of the catalogue: what one of its entries is called, as a kind of document and in a sentence, and its
    fields besides the name."""

    part: Part
    kind: str
    word: str
    fields: tuple[str, ...]


SHAPES: Final[Mapping[str, Shape]] = {
    "services": Shape("services", "Service", "service", ("title", "keywords", "department")),
    "processes": Shape("processes", "Process", "process", ("title", "keywords", "senders", "recipients", "department")),
    "departments": Shape("departments", "Department", "department", ("title",)),
}
"""By the name of the part."""


def entries(catalogue: Catalogue, shape: Shape) -> tuple[CatalogueItem, ...]:
    """All of a part, in catalogue order."""
    return tuple(one for one in items(catalogue) if type(one).__name__ == shape.kind)


def entry(catalogue: Catalogue, shape: Shape, name: str) -> CatalogueItem | None:
    """The entry of that name, or None."""
    return next((one for one in entries(catalogue, shape) if one.name == name), None)


def blank(shape: Shape) -> Values:
    """The fields of a new entry."""
    return {one: [] if _READ[one] is not text else "" for one in ("name", *shape.fields)}


def shown(shape: Shape, item: CatalogueItem) -> Values:
    """The fields of an entry."""
    given = item.model_dump(mode="json", by_alias=True)
    return {one: empty if given[one] is None else given[one] for one, empty in blank(shape).items()}


def typed(shape: Shape, form: FormData) -> Values:
    """What was typed."""
    return {one: _READ[one](form, one) for one in ("name", *shape.fields)}


def document(shape: Shape, values: Values) -> Documents:
    """The document that these values are. Raises ConfigurationProblems."""
    spec = {one: values[one] for one in shape.fields if values[one]}
    raw = {"apiVersion": API_VERSION, "kind": shape.kind, "metadata": {"name": values["name"]}, "spec": spec}
    return parse([RawDocument(raw, Position("form", 1))])


def facts(values: Values) -> list[tuple[str, str]]:
    """The values for reading only."""
    return [(one.capitalize(), value if isinstance(value, str) else ", ".join(value)) for one, value in values.items()]


def without(catalogue: Catalogue, gone: CatalogueItem) -> Documents:
    """All but one."""
    left = [one for one in items(catalogue) if one is not gone]
    titles = [f"{type(one).__name__} {one.name}" for one in left]
    position = [Position("the store", catalogue.revision, title) for title in titles]
    return Documents(catalogue=tuple(map(CatalogueDocument, left, position)))
