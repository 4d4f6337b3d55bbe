"""docs/mailbox-yaml.md, made from the models: every field, its values, its default, its meaning. Pure."""

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from services.console.configuration.meanings import DEPARTMENT, INTRODUCTION, MAILBOX, PROCESS, SERVICE, SOURCE
from services.console.configuration.problems import models_in
from shared.domain.catalogue import Department, Process, Service
from shared.domain.mailbox import BasicAuth, ExchangeAuth, MailboxSpec, OAuth2MicrosoftAuth, SecretSource

AUTHS: tuple[type[BaseModel], ...] = (BasicAuth, OAuth2MicrosoftAuth, ExchangeAuth)


@dataclass(frozen=True, slots=True)
class Row:
    """One field: its path below `spec`, what may stand there, and its default (None: mandatory)."""

    path: str
    values: str
    default: str | None


def rows(model: type[BaseModel], prefix: str = "") -> Iterator[Row]:
    """Every field of a model and of the models in it, in their order."""
    for name, info in model.model_fields.items():
        path = f"{prefix}{info.alias or name}"
        if path == "name" or (name == "type" and prefix.startswith("auth.")):
            continue
        yield Row(path, _values(info.annotation), None if path == "auth" else _default(info))
        if path == "auth":
            for auth in AUTHS:
                tag = get_args(auth.model_fields["type"].annotation)[0]
                yield Row(f"auth.{tag}", f"`type: {tag}`", "")
                yield from rows(auth, f"auth.{tag}.")
        else:
            for inner in models_in(info.annotation):
                if inner is not SecretSource:
                    yield from rows(inner, f"{path}.")


def markdown() -> str:
    """The whole page."""
    parts = [
        INTRODUCTION,
        "## kind: Mailbox\n",
        _table(rows(MailboxSpec), MAILBOX),
        "\n### Where a secret is read from (`…From`)\n\nExactly one of:\n",
        _table(rows(SecretSource), SOURCE),
        "\n## kind: Department\n",
        _table(rows(Department), DEPARTMENT),
        "\n## kind: Service\n",
        _table(rows(Service), SERVICE),
        "\n## kind: Process\n",
        _table(rows(Process), PROCESS),
    ]
    return "\n".join(parts)


def _table(found: Iterator[Row], meanings: Mapping[str, str]) -> str:
    lines = ["| field | values | default | meaning |", "|---|---|---|---|"]
    for row in found:
        default = "**mandatory**" if row.default is None else row.default
        lines.append(f"| `{row.path}` | {row.values} | {default} | {meanings[row.path]} |")
    return "\n".join(lines) + "\n"


def _default(info: FieldInfo) -> str | None:
    if info.is_required():
        return None
    value: object = info.get_default(call_default_factory=True, validated_data={})
    if value is None or value == () or value == "" or isinstance(value, BaseModel):
        return ""
    return f"`{_word(value)}`"


def _word(value: object) -> str:
    if isinstance(value, Enum):
        value = value.value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " \\| ".join(f"`{one}`" for one in arguments)
    if origin is tuple:
        return "list of " + _values(arguments[0])
    if origin in (types.UnionType, typing.Union):
        return " \\| ".join(dict.fromkeys(_values(one) for one in arguments if one is not types.NoneType))
    if origin is not None and hasattr(annotation, "__metadata__"):
        return _values(arguments[0])
    return _plain(annotation)


def _plain(annotation: Any) -> str:
    words = {str: "text", int: "number", bool: "`true` \\| `false`", date: "a date (`2026-01-31`)", SecretStr: "secret"}
    if annotation in words:
        return words[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " \\| ".join(f"`{one.value}`" for one in annotation)
    return "`{file: …}` \\| `{env: …}` \\| `{stored: true}`" if annotation is SecretSource else "fields below"
