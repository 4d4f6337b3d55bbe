"""Tickets and requests: find one, read its conversation, close it, open it again."""

from typing import Final, TypeVar

from fastapi import Request
from starlette.responses import Response

from services.console import changes
from services.console.api import paging
from services.console.api.mails import MailId
from services.console.api.surroundings import Here, Surroundings
from services.console.api.tickets import Key
from services.console.api.tickets import find as _find
from services.console.gone import erased
from services.console.meanings import NUMBER
from services.console.web import kit, searching
from services.console.web.formatted import word
from services.console.web.searching import Asked
from services.console.web.visitor import Me, Visitor
from services.console.web.words import ACKNOWLEDGEMENTS, ARTICLES, RELATIONS
from shared.domain.access import Role
from shared.domain.mailbox import Module
from shared.domain.patterns import normalise_address
from shared.domain.ticket import AcknowledgementState, TicketState
from shared.mail.html import has_remote
from shared.mail.quoted import split
from shared.store.ticket_search import WantedTicket

T = TypeVar("T", Module, TicketState, AcknowledgementState)
PAGE: Final = 50
"""Tickets on a page."""
MODULES: Final = [(Module.TICKET.value, "Tickets"), (Module.REQUEST.value, "Requests")]
STATES: Final = [(TicketState.OPEN.value, "Open"), (TicketState.CLOSED.value, "Closed")]


async def list_(request: Request, here: Here, cursor: paging.Cursor = None) -> Response:
    """Search them, newest first."""
    names = ("q", "mailbox", "module", "service", "department", "state", "acknowledgement")
    asked = searching.read(request, *names)
    found = await here.store.ticket_search.find(_wanted(asked), PAGE, paging.read(cursor))
    counts = await here.store.articles.count_of([one.ticket_id for one in found.tickets])
    catalogue = await here.store.catalogue.load()
    return await kit.render(
        request,
        "tickets.html",
        title="Tickets",
        crumbs=[("Tickets", None)],
        asked=asked,
        rows=[(one, 1 + counts.get(one.ticket_id, 0)) for one in found.tickets],
        cursor=paging.write(*found.more) if found.more else None,
        mailboxes=[(one.name, one.name) for one in await here.store.mailboxes.known()],
        services=[(one.name, one.name) for one in catalogue.services],
        departments=[(one.name, one.name) for one in catalogue.departments],
        modules=MODULES,
        states=STATES,
        acknowledgements=[(one.value, words) for one, (words, _) in ACKNOWLEDGEMENTS.items()],
        looks=ACKNOWLEDGEMENTS,
    )


async def show(request: Request, here: Here, me: Me, ticket: Key, formatted: str = "") -> Response:
    """One of them, with its whole conversation as text; the mail `formatted` with its formatting."""
    return await _show(request, here, me, ticket, formatted)


async def show_remote_images(request: Request, here: Here, me: Me, ticket: Key, mail_id: MailId) -> Response:
    """The same page, where that mail loads its remote images: in this view alone."""
    return await _show(request, here, me, ticket, mail_id, word(me, mail_id))


async def _show(
    request: Request, here: Surroundings, me: Visitor, key: str, formatted: str, images: str = ""
) -> Response:
    found = await _find(here, key)
    appended = await here.store.articles.of_ticket(found.ticket_id)
    articles = (*found.articles, *(one.article for one in appended))
    return await kit.render(
        request,
        "ticket.html",
        title=f"{found.number}: {found.subject or '(no subject)'}",
        crumbs=[("Tickets", "/tickets"), (found.number, None)],
        ticket=found,
        erased=erased(found),
        articles=[(one, ARTICLES[one.kind], split(one.text)) for one in articles if not found.erased_at],
        acknowledged=ACKNOWLEDGEMENTS[found.acknowledgement.state] if found.acknowledgement else None,
        relation=RELATIONS[found.related.relation] if found.related else "",
        operator=me.role.covers(Role.OPERATOR),
        frames=True,
        formatted=formatted,
        images=images,
        has_remote=has_remote,
    )


async def close(request: Request, here: Here, me: Me, ticket: Key) -> Response:
    """Close it. What a reply to it then does is its mailbox's `replies.toClosed`."""
    return await _set_state(request, here, me, ticket, TicketState.CLOSED)


async def reopen(request: Request, here: Here, me: Me, ticket: Key) -> Response:
    """Open it again."""
    return await _set_state(request, here, me, ticket, TicketState.OPEN)


async def _set_state(request: Request, here: Surroundings, me: Me, key: str, state: TicketState) -> Response:
    found = await _find(here, key)
    await changes.set_state(here.store, me.who, found, state, here.clock.now())
    await kit.flash(request, "done", f"{found.number} is {state.value}.")
    return kit.redirect(request, f"/tickets/{found.number}")


def _wanted(asked: Asked) -> WantedTicket:
    """What the form asks for: its box takes a number, the address of a requester, or words of the subject."""
    text = asked["q"]
    number = text.upper() if NUMBER.fullmatch(text) else None
    requester = normalise_address(text) if number is None else None
    return WantedTicket(
        number=number,
        requester=requester,
        subject=text if text and number is None and requester is None else None,
        mailbox=asked.choice("mailbox"),
        module=_one_of(Module, asked["module"]),
        service=asked.choice("service"),
        department=asked.choice("department"),
        state=_one_of(TicketState, asked["state"]),
        acknowledgement=_one_of(AcknowledgementState, asked["acknowledgement"]),
        since=asked.since,
        until=asked.until,
    )


def _one_of(choices: type[T], value: str) -> T | None:
    """That choice; any where none of them is meant."""
    return next((one for one in choices if one.value == value), None)
