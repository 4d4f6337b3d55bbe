"""The audit log: who changed what, when."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import Query
from pydantic import StringConstraints

from services.console.api import paging
from services.console.api.surroundings import Here, Surroundings
from services.console.api.views import AuditList, AuditView
from shared.domain.access import AuditRecord
from shared.domain.value import Slug

Number = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,5}-[0-9]{6,12}$")]
Kind = Literal[
    "Mailbox",
    "Catalogue",
    "Department",
    "Service",
    "Process",
    "ApiToken",
    "Mail",
    "Person",
    "Ticket",
    "Events",
    "Key",
    "Acknowledgement",
    "User",
    "Console",
]


async def list_(
    here: Here,
    kind: Annotated[Kind | None, Query(description="Only changes of that kind of thing.")] = None,
    name: Annotated[
        Slug | Number | None, Query(description="Only changes of the thing of that name or number.")
    ] = None,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> AuditList:
    """List changes, newest first."""
    found, more = await page(here, kind, name, limit, cursor)
    return AuditList(items=tuple(AuditView.of(one) for one in found), next_cursor=more)


async def page(
    here: Surroundings, kind: str | None, name: str | None, limit: int, cursor: str | None
) -> tuple[Sequence[AuditRecord], str | None]:
    """The newest records after a cursor, and the cursor of those after them. Raises Refused 422: a foreign cursor."""
    seen = paging.read(cursor)
    found = await here.store.audit.page(kind=kind, name=name, before=seen[1] if seen else None, limit=limit + 1)
    return paging.cut(found, limit, lambda one: (one.at, one.record_id))
