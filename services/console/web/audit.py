"""The audit log: who changed what, when, and the difference that it made. Of secrets only what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

from fastapi import Request
from starlette.responses import Response

from services.console.api import audit as api
from services.console.api import paging
from services.console.api.surroundings import Here
from services.console.configuration.export import as_yaml
from services.console.web import kit, mailbox_history, searching
from services.console.web.differing import differing
from services.console.web.mailbox_history import Line
from services.console.web.words import words
from shared.domain.access import AuditRecord

PAGE: Final = 50
"""Records on a page."""
AROUND: Final = 1000
"""Lines around a difference: of what is not shared, all."""
KINDS: Final[tuple[str, ...]] = get_args(api.Kind)
TITLES: Final = {"ApiToken": "API token"}
"""Kinds that are not called by their own word."""


@dataclass(frozen=True, slots=True)
class Row:
    """A record, and its difference line by line."""

    record: AuditRecord
    lines: Sequence[Line]


async def list_(request: Request, here: Here, cursor: paging.Cursor = None) -> Response:
    """All records, or those of a kind or a name, newest first."""
    asked = searching.read(request, "kind", "name")
    found, more = await api.page(here, asked.choice("kind", KINDS), asked.choice("name"), PAGE, cursor)
    return await kit.render(
        request,
        "audit.html",
        title="Audit log",
        crumbs=[("Audit log", None)],
        asked=asked,
        kinds=[(one, _title(one)) for one in KINDS],
        titles={one: _title(one) for one in KINDS},
        rows=[Row(one, _lines(one)) for one in found],
        cursor=more,
    )


def _title(kind: str) -> str:
    return TITLES.get(kind, words(kind))


def _lines(record: AuditRecord) -> Sequence[Line]:
    if record.old is not None and record.new is not None:
        old, new = differing(record.old, record.new)
    else:
        old, new = record.old or {}, record.new or {}
    before, after = (as_yaml(one) if one else "" for one in (old, new))
    told = mailbox_history.difference(record.kind, record.name, before, after, AROUND)
    return [(look, line) for look, line in mailbox_history.lines(told) if look != "place"]
