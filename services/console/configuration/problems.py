"""What is wrong with a document, one line each: what, where, what to do. Never quotes a value: it might be a secret."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shared.domain.errors import ConfigurationError

Path = tuple[str | int, ...]
REFERENCE = "correct it; docs/mailbox-yaml.md lists every field"


class ConfigurationProblems(ConfigurationError):
    """Everything that is wrong, said at once. `problems` holds one error per line."""

    def __init__(self, problems: Sequence[ConfigurationError]) -> None:
        super().__init__("; ".join(one.line() for one in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a document stands: its file, its number in it (from 1), its kind and name, and the line of each path."""

    source: str
    number: int
    title: str = ""
    lines: Mapping[Path, int] = field(default_factory=dict[Path, int])

    def where(self, path: Path = ()) -> str:
        """`file:line, document n, Kind name, path.of.field`."""
        known = next((path[:end] for end in range(len(path), -1, -1) if path[:end] in self.lines), None)
        line = f":{self.lines[known]}" if known is not None else ""
        parts = (f"{self.source}{line}", f"document {self.number}", self.title, dotted(path))
        return ", ".join(part for part in parts if part)

    def problem(self, what: str, remedy: str, path: Path = ()) -> ConfigurationError:
        """One problem at a path of this document."""
        return ConfigurationError(what, where=self.where(path), remedy=remedy)


def dotted(path: Path) -> str:
    """`("spec", "domains", "blockedSenders", 0)` as `spec.domains.blockedSenders[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def suggest(word: str, known: Iterable[str], fallback: str) -> str:
    """`did you mean "x"?`, or the fallback if nothing is close."""
    lowered = {one.replace("_", "").lower(): one for one in known}
    close = difflib.get_close_matches(word.replace("_", "").lower(), lowered, 1, 0.6)
    return f'did you mean "{lowered[close[0]]}"?' if close else fallback


def fields_of(model: type[BaseModel]) -> dict[str, Any]:
    """The outside names of a model's fields, each with the annotation behind it."""
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Every model that an annotation (a union, an Annotated, a tuple) mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not None:
        for argument in get_args(annotation):
            yield from models_in(argument)


def _tag(model: type[BaseModel]) -> str | None:
    kind = model.model_fields.get("type")
    return None if kind is None else next(iter(get_args(kind.annotation)), None)


def _elsewhere(model: type[BaseModel], prefix: str = "spec") -> Iterator[tuple[str, str]]:
    for name, annotation in fields_of(model).items():
        yield name, f"{prefix}.{name}"
        for inner in models_in(annotation):
            yield from _elsewhere(inner, f"{prefix}.{name}")


def _locate(model: type[BaseModel], loc: Path) -> tuple[Path, list[type[BaseModel]]]:
    """The path as people write it (union tags dropped), and the models that hold its last field."""
    path: list[str | int] = []
    holders: list[type[BaseModel]] = [model]
    inside: list[type[BaseModel]] = [model]
    for part in loc:
        if isinstance(part, str) and any(_tag(one) == part for one in inside):
            inside = [one for one in inside if _tag(one) == part]
            continue
        if isinstance(part, str) and path and not any(_is_field(one, part) for one in inside) and part != loc[-1]:
            continue
        path.append(part)
        if isinstance(part, str):
            holders = inside
            inside = [found for one in inside for found in models_in(fields_of(one).get(part))]
    return tuple(path), holders


def _is_field(model: type[BaseModel], name: str) -> bool:
    return name in model.model_fields or name in fields_of(model)


def problems_of(
    error: ValidationError, model: type[BaseModel], position: Position, prefix: Path = ("spec",)
) -> list[ConfigurationError]:
    """A validation error as lines for people. A union that failed in each of its members is one line."""
    found: dict[Path, ConfigurationError] = {}
    for item in error.errors(include_input=False, include_url=False):
        path, holders = _locate(model, item["loc"])
        if path and isinstance(path[-1], str) and path[-1] in ("date", "str-enum[StartFrom]"):
            path = path[:-1]
            what, remedy = f'"{path[-1]}" is not one of its values', "write now, all, or a date such as 2026-01-31"
        else:
            what, remedy = _say(item, path, holders, model)
        full = (*prefix, *path)
        found.setdefault(full, position.problem(what, remedy, full))
    return list(found.values())


def _say(item: ErrorDetails, path: Path, holders: list[type[BaseModel]], model: type[BaseModel]) -> tuple[str, str]:
    name = f'"{path[-1] if path and isinstance(path[-1], str) else dotted(path[-2:]) or "spec"}"'
    kind, given = item["type"], item.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return f"unknown field {name}", _unknown(str(path[-1]), holders, model)
        case "missing":
            return f"field {name} is missing", "add it; docs/mailbox-yaml.md lists every field"
        case "value_error":
            return _own_words(item["msg"].removeprefix("Value error, "), name)
        case "union_tag_not_found":
            return f'field "type" is missing in {name}', f"write one of {_tags(holders, path)}"
        case "union_tag_invalid":
            return f"{name} has an unknown type", f"write one of {given.get('expected_tags', '')}"
        case "enum" | "literal_error":
            return f"{name} is not one of its values", f"write {given.get('expected', '')}"
        case "string_pattern_mismatch":
            return f"{name} is not a valid name", "use lower-case letters, digits and hyphens, 1 to 63 characters"
        case _:
            return f"{name} {_expected(kind, item['msg'])}", _how(kind)


def _unknown(word: str, holders: list[type[BaseModel]], model: type[BaseModel]) -> str:
    own = [name for one in holders for name in fields_of(one)]
    places = dict(_elsewhere(model))
    away = places.get(word) or next((path for name, path in places.items() if name.lower() == word.lower()), None)
    if away is not None and word not in own:
        return f'did you mean "{away}"?'
    return suggest(word, own, f"known here: {', '.join(own)}")


def _tags(holders: list[type[BaseModel]], path: Path) -> str:
    inside = [one for holder in holders for one in models_in(fields_of(holder).get(str(path[-1])))]
    return ", ".join(tag for one in inside if (tag := _tag(one)) is not None)


def _own_words(message: str, name: str) -> tuple[str, str]:
    what, _, remedy = message.partition("; ")
    subject = f"{name} " if what.startswith(("is ", "must ")) else ""
    return subject + what, remedy or REFERENCE


_EXPECTED = {
    "int": "must be a whole number",
    "bool": "must be true or false",
    "string": "must be text",
    "tuple": "must be a list",
    "dict": "must be a mapping of names to values",
    "model": "must be a mapping of names to values",
    "dataclass": "must be a mapping of names to values",
}
_HOW = {
    "int": "write digits only, such as 993",
    "bool": "write true or false",
    "string": "put the value in quotes",
    "tuple": "write each value on its own line after a hyphen",
    "dict": "write each name and value on its own line below it",
    "model": "write each name and value on its own line below it",
}


def _expected(kind: str, message: str) -> str:
    family, _, fate = kind.partition("_")
    if fate in ("type", "parsing", "attributes_type", "from_float"):
        return _EXPECTED.get(family, message)
    return message.replace("Input should", "should").replace("String should", "should")


def _how(kind: str) -> str:
    family, _, fate = kind.partition("_")
    return _HOW.get(family, REFERENCE) if fate in ("type", "parsing", "attributes_type") else REFERENCE
