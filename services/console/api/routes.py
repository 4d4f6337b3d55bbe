"""Every route of the API, with the least role that may use it. What is not in this table does not exist."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from services.console.api import audit, catalogue, health, mailboxes, mails, replays, tickets, views
from services.console.api.bodies import CatalogueBody, DiscardBody, MailboxBody, ReplayBody, ReplaysBody, RollBackBody
from shared.domain.access import Role

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Route:
    """A route: what it answers with (`answer`, or bytes), what it takes (`body`), and how it can be refused."""

    method: str
    path: str
    role: Role
    endpoint: Callable[..., Any]
    answer: type[BaseModel] | None = None
    status: int = 200
    body: type[BaseModel] | None = None
    refusals: tuple[int, ...] = ()


_CHANGE = (404, 409, 412, 428)
_BODY = (400, 413, 415)

ROUTES: tuple[Route, ...] = (
    Route("GET", "/health", Role.VIEWER, health.show, views.HealthView),
    Route("GET", "/mailboxes", Role.VIEWER, mailboxes.list_, views.MailboxList),
    Route("POST", "/mailboxes", Role.EDITOR, mailboxes.create, views.MailboxView, 201, MailboxBody, (*_BODY, 409)),
    Route("GET", "/mailboxes/{name}", Role.VIEWER, mailboxes.show, views.MailboxView, refusals=(404,)),
    Route(
        "PUT",
        "/mailboxes/{name}",
        Role.EDITOR,
        mailboxes.replace,
        views.MailboxView,
        body=MailboxBody,
        refusals=(*_BODY, *_CHANGE),
    ),
    Route("DELETE", "/mailboxes/{name}", Role.EDITOR, mailboxes.delete, status=204, refusals=_CHANGE),
    Route("POST", "/mailboxes/{name}/pause", Role.OPERATOR, mailboxes.pause, views.MailboxView, refusals=(404,)),
    Route("POST", "/mailboxes/{name}/resume", Role.OPERATOR, mailboxes.resume, views.MailboxView, refusals=(404,)),
    Route("GET", "/mailboxes/{name}/versions", Role.VIEWER, mailboxes.versions, views.MailboxList, refusals=(404,)),
    Route(
        "POST",
        "/mailboxes/{name}/roll-back",
        Role.EDITOR,
        mailboxes.roll_back,
        views.MailboxView,
        body=RollBackBody,
        refusals=(*_BODY, *_CHANGE),
    ),
    Route("GET", "/catalogue", Role.VIEWER, catalogue.show, views.CatalogueView),
    Route(
        "PUT",
        "/catalogue",
        Role.EDITOR,
        catalogue.replace,
        views.CatalogueView,
        body=CatalogueBody,
        refusals=(*_BODY, 412, 428),
    ),
    Route("GET", "/tickets", Role.VIEWER, tickets.list_, views.TicketList),
    Route("GET", "/tickets/{ticket}", Role.VIEWER, tickets.show, views.TicketDetail, refusals=(404,)),
    Route(
        "GET",
        "/tickets/{ticket}/messages/{mail_id}/attachments/{part}",
        Role.VIEWER,
        tickets.attachment,
        refusals=(404,),
    ),
    Route("GET", "/mails", Role.VIEWER, mails.search, views.MailList),
    Route("GET", "/mails/{mail_id}", Role.VIEWER, mails.trace, views.MailDetail, refusals=(404,)),
    Route(
        "POST",
        "/mails/{mail_id}/replay",
        Role.OPERATOR,
        replays.replay,
        replays.ReplayView,
        body=ReplayBody,
        refusals=(*_BODY, 404, 409),
    ),
    Route(
        "POST",
        "/mails/{mail_id}/discard",
        Role.OPERATOR,
        replays.discard,
        replays.DiscardView,
        body=DiscardBody,
        refusals=(*_BODY, 404, 409),
    ),
    Route("POST", "/replays", Role.OPERATOR, replays.replay_many, replays.ReplayView, body=ReplaysBody, refusals=_BODY),
    Route("GET", "/quarantine", Role.OPERATOR, replays.quarantine, replays.QuarantineList),
    Route("GET", "/audit", Role.ADMINISTRATOR, audit.list_, views.AuditList),
)
