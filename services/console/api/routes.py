"""Every route of the API, with the least role that may use it. What is not in this table does not exist."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from services.console.api import (
    audit,
    backtests,
    catalogue,
    defaults,
    health,
    imports,
    insights,
    mailbox_tests,
    mailboxes,
    mails,
    replays,
    sign_ins,
    tickets,
    tokens,
    views,
)
from services.console.api.bodies import (
    BacktestBody,
    CatalogueBacktestBody,
    CatalogueBody,
    DiscardBody,
    ImportBody,
    KeywordsBody,
    MailboxBody,
    ReplayBody,
    ReplaysBody,
    RollBackBody,
    TokenBody,
)
from services.console.defaults.presets import Servers
from shared.domain.access import Role

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Route:
    """A route: what it answers with, what it takes (`body`), and how it can be refused.

    It answers with JSON (`answer`), with bytes or a stream of the type `media` (whose schema is `sent_as`, if it is not
    just bytes), or with either. A `body` may be left out where `role_with_body` says what it takes to send one.
    """

    method: str
    path: str
    role: Role
    endpoint: Callable[..., Any]
    answer: type[BaseModel] | None = None
    status: int = 200
    body: type[BaseModel] | None = None
    refusals: tuple[int, ...] = ()
    media: str = ""
    sent_as: Mapping[str, Any] | None = None
    role_with_body: Role | None = None


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
    Route("POST", "/mailboxes/{name}/poll", Role.OPERATOR, mailboxes.poll, views.MailboxView, refusals=(404, 409)),
    Route("GET", "/mailboxes/{name}/import", Role.VIEWER, imports.show, views.ImportView, refusals=(404,)),
    Route(
        "POST",
        "/mailboxes/{name}/import",
        Role.EDITOR,
        imports.start,
        views.ImportView,
        body=ImportBody,
        refusals=(*_BODY, 404, 409),
    ),
    Route(
        "POST",
        "/mailboxes/{name}/accept-reappearance",
        Role.OPERATOR,
        mailboxes.accept_reappearance,
        views.MailboxView,
        refusals=(404, 409),
    ),
    Route(
        "POST",
        "/mailboxes/test",
        Role.EDITOR,
        mailbox_tests.unsaved,
        views.TestView,
        body=MailboxBody,
        refusals=(*_BODY, 429),
        media=mailbox_tests.EVENTS,
        sent_as=mailbox_tests.EVENT,
    ),
    Route(
        "POST",
        "/mailboxes/{name}/test",
        Role.OPERATOR,
        mailbox_tests.stored,
        views.TestView,
        body=MailboxBody,
        refusals=(*_BODY, 404, 429),
        media=mailbox_tests.EVENTS,
        sent_as=mailbox_tests.EVENT,
        role_with_body=Role.EDITOR,
    ),
    Route("POST", "/mailboxes/{name}/sign-in", Role.EDITOR, sign_ins.start, views.SignInLink, 201, refusals=(404, 409)),
    Route("DELETE", "/mailboxes/{name}/sign-in", Role.EDITOR, sign_ins.forget, status=204, refusals=(404,)),
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
    Route("GET", "/defaults", Role.VIEWER, defaults.show, Servers),
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
    Route(
        "POST",
        "/mailboxes/{name}/backtest",
        Role.OPERATOR,
        backtests.mailbox,
        backtests.BacktestView,
        body=BacktestBody,
        refusals=(*_BODY, 404, 429),
        media=backtests.EVENTS,
        sent_as=backtests.EVENT,
    ),
    Route(
        "POST",
        "/catalogue/backtest",
        Role.OPERATOR,
        backtests.catalogue,
        backtests.BacktestView,
        body=CatalogueBacktestBody,
        refusals=(*_BODY, 404, 429),
        media=backtests.EVENTS,
        sent_as=backtests.EVENT,
    ),
    Route(
        "POST",
        "/keywords",
        Role.OPERATOR,
        backtests.keywords,
        backtests.KeywordsView,
        body=KeywordsBody,
        refusals=(*_BODY, 404),
    ),
    Route("GET", "/tickets", Role.VIEWER, tickets.list_, views.TicketList),
    Route("GET", "/tickets/{ticket}", Role.VIEWER, tickets.show, views.TicketDetail, refusals=(404,)),
    Route("POST", "/tickets/{ticket}/close", Role.OPERATOR, tickets.close, views.TicketDetail, refusals=(404,)),
    Route("POST", "/tickets/{ticket}/reopen", Role.OPERATOR, tickets.reopen, views.TicketDetail, refusals=(404,)),
    Route(
        "GET",
        "/tickets/{ticket}/messages/{mail_id}/attachments/{part}",
        Role.VIEWER,
        tickets.attachment,
        refusals=(404,),
        media="application/octet-stream",
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
    Route("GET", "/mails/{mail_id}/raw", Role.OPERATOR, mails.raw, refusals=(404,), media=mails.RFC822),
    Route("GET", "/tokens", Role.ADMINISTRATOR, tokens.list_, views.TokenList),
    Route("POST", "/tokens", Role.ADMINISTRATOR, tokens.create, views.NewTokenView, 201, TokenBody, _BODY),
    Route("DELETE", "/tokens/{token_id}", Role.ADMINISTRATOR, tokens.revoke, status=204, refusals=(404,)),
    Route("GET", "/overview", Role.VIEWER, insights.show, insights.OverviewView),
    Route("GET", "/mailbox-health", Role.VIEWER, insights.mailboxes, insights.MailboxHealthList),
    Route("GET", "/absences", Role.VIEWER, insights.not_found, insights.ExplanationList, refusals=(404,)),
    Route("GET", "/events", Role.VIEWER, insights.events, insights.EventList),
    Route("GET", "/audit", Role.ADMINISTRATOR, audit.list_, views.AuditList),
)
