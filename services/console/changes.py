"""Every change that people make, by API or command line: written to the audit log first, then made.

No secret gets here in the clear but those that a plan carries to be sealed; of them only changed or not is recorded.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import yaml
from pydantic import SecretStr

from services.console.configuration import apply as applying
from services.console.configuration.export import mailbox_document
from services.console.configuration.plan import Action, Change, Plan
from shared.domain.access import ApiToken, Role, SecretFate
from shared.domain.catalogue import Catalogue
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox
from shared.domain.mailbox_runtime import MASS_REAPPEARANCE
from shared.domain.ticket import Ticket, TicketState
from shared.domain.wishes import Reading
from shared.store.client import Store
from shared.store.mailboxes import stored_fields


async def carry_out(store: Store, who: str, todo: Plan) -> None:
    """Audit every change of a plan and carry it out. Raises what `configuration.apply` raises."""
    changes = [one for one in todo.changes if one.action is not Action.UNCHANGED]
    written = {one.mailbox.name: one.mailbox for one in todo.writes}
    for one in changes:
        fates = secret_fates(one, written.get(one.name) if one.kind == "Mailbox" else None)
        await store.audit.append(
            who, one.action.value, one.kind, one.name, old=_plain(one.before), new=_plain(one.after), secrets=fates
        )
    try:
        await applying.apply(store, todo)
    except BaseException:
        for one in changes:
            await store.audit.append(who, one.action.value, one.kind, one.name, outcome="failed")
        raise


async def set_paused(store: Store, who: str, mailbox: Mailbox, paused: bool) -> Mailbox:
    """Pause or resume a mailbox."""
    old, new = {"paused": mailbox.paused}, {"paused": paused}
    action = "pause" if paused else "resume"
    async with audited(store, who, action, "Mailbox", mailbox.name, old=old, new=new):
        return await store.mailboxes.set_paused(mailbox.name, paused)


async def accept_reappearance(store: Store, who: str, mailbox: Mailbox) -> None:
    """Have the mails taken that came back and wait for a person. Raises ConfigurationError if none do."""
    status = (await store.runtime.statuses()).get(mailbox.name)
    if status is None or status.code != MASS_REAPPEARANCE:
        raise ConfigurationError(
            f"no mails wait for a person in mailbox {mailbox.name}",
            remedy="mail-automator mailbox show says what it does",
            code="nothing_waits",
        )
    async with audited(store, who, "accept_reappearance", "Mailbox", mailbox.name, new={"sentence": status.sentence}):
        await store.runtime.accept_reappearance(mailbox.name)


async def read_now(store: Store, who: str, mailbox: Mailbox, at: datetime) -> Reading:
    """Have a mailbox read at once. While somebody's wish for that is open it stays as it is, and nothing is recorded.

    Raises ConfigurationError if it is not read at all.
    """
    check_active(mailbox)
    last = (await store.wishes.of(mailbox.name)).reading
    if last is not None and last.is_open:
        return last
    async with audited(store, who, "poll", "Mailbox", mailbox.name):
        return await store.wishes.ask_reading(mailbox.name, who, at)


def check_active(mailbox: Mailbox) -> None:
    """Raise ConfigurationError for a mailbox that nobody reads, with what to do about it."""
    if mailbox.active:
        return
    if mailbox.paused:
        what, remedy = "is paused, so nobody reads it", f"resume it: mail-automator mailbox resume {mailbox.name}"
    else:
        what, remedy = "is disabled, so nobody reads it", "set enabled: true in its configuration"
    raise ConfigurationError(f"mailbox {mailbox.name} {what}", remedy=remedy, code="mailbox_not_active")


async def delete_mailbox(store: Store, who: str, mailbox: Mailbox) -> bool:
    """Delete a mailbox and its secrets; False if somebody was faster."""
    fates: dict[str, SecretFate] = dict.fromkeys(stored_fields(mailbox.spec), "removed")
    async with audited(store, who, "delete", "Mailbox", mailbox.name, old=as_document(mailbox), secrets=fates):
        return await store.mailboxes.delete(mailbox.name)


async def set_state(store: Store, who: str, ticket: Ticket, state: TicketState, at: datetime) -> Ticket:
    """Close a ticket, or open it again; a ticket that is so already stays as it is, and nothing is recorded."""
    if ticket.state is state:
        return ticket
    move, action = (store.tickets.close, "close") if state is TicketState.CLOSED else (store.tickets.reopen, "reopen")
    old, new = {"state": ticket.state.value}, {"state": state.value}
    async with audited(store, who, action, "Ticket", ticket.number, old=old, new=new):
        await move(ticket.ticket_id, at)
    return await store.tickets.get(ticket.ticket_id) or ticket


async def save_catalogue(store: Store, who: str, old: Catalogue, new: Catalogue) -> Catalogue:
    """Save the whole catalogue over `new.revision`. Raises store Conflict."""
    before, after = (one.model_dump(mode="json", by_alias=True, exclude={"revision"}) for one in (old, new))
    async with audited(store, who, "update", "Catalogue", "catalogue", old=before, new=after):
        return await store.catalogue.save(new)


async def create_token(
    store: Store, who: str, name: str, role: Role, expires_at: datetime | None
) -> tuple[ApiToken, SecretStr]:
    """Make an API token; its text is seen this once."""
    new = {"role": role.value, "expires_at": expires_at.isoformat() if expires_at else None}
    async with audited(store, who, "create", "ApiToken", name, new=new, secrets={"token": "changed"}):
        return await store.api_tokens.create(name, role, created_by=who, expires_at=expires_at)


async def revoke_token(store: Store, who: str, token_id: str) -> bool:
    """Close an API token for ever; False if there is none of that id that was open."""
    found = next((one for one in await store.api_tokens.all() if one.token_id == token_id), None)
    if found is None or found.revoked_at is not None:
        return False
    old = {"token_id": token_id, "role": found.role.value}
    async with audited(store, who, "revoke", "ApiToken", found.name, old=old, secrets={"token": "removed"}):
        return await store.api_tokens.revoke(token_id)


@asynccontextmanager
async def audited(
    store: Store,
    who: str,
    action: str,
    kind: str,
    name: str,
    *,
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    secrets: Mapping[str, SecretFate] | None = None,
) -> AsyncGenerator[None]:
    """Write the record, then let the change happen; if it fails, a second record says so."""
    await store.audit.append(who, action, kind, name, old=old, new=new, secrets=secrets)
    try:
        yield
    except BaseException:
        await store.audit.append(who, action, kind, name, outcome="failed")
        raise


def secret_fates(change: Change, written: Mailbox | None) -> dict[str, SecretFate]:
    """Which stored secrets of a mailbox are new, and which stay."""
    if written is None:
        return {}
    return {name: "changed" if name in change.new_secrets else "unchanged" for name in stored_fields(written.spec)}


def as_document(mailbox: Mailbox) -> dict[str, Any]:
    """A mailbox as people write it, without secrets."""
    return mailbox_document(mailbox.name, mailbox.labels, mailbox.spec)


def _plain(text: str) -> dict[str, Any] | None:
    return yaml.safe_load(text) if text else None
