"""`mailbox import`: mail from before a mailbox began, counted and taken."""

import sys
from typing import Annotated

import typer

from services.console import old_mail
from services.console.cli.actor import actor
from services.console.cli.exits import Exit
from services.console.cli.mailbox import Name, find
from services.console.cli.moments import moment
from services.console.cli.session import Session, session_of
from shared.domain.errors import ConfigurationError
from shared.domain.wishes import OldMail
from shared.runtime.clock import Clock
from shared.store.client import Store


def import_(
    context: typer.Context,
    name: Name,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="Only what arrived on that day or later.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Take the mails from before a mailbox began that have no outcome: counted first, taken once, not acknowledged."""
    session, now = session_of(context), Clock().now()
    day = moment(since, now).date() if since else None

    async def ask(store: Store) -> OldMail:
        return await old_mail.count(store, actor(), await find(store, name), day, now)

    async def take(store: Store) -> OldMail:
        return await old_mail.take(store, actor(), await find(store, name), wish, Clock().now())

    wish = session.run(ask)
    if not dry_run:
        if wish.count and not wish.is_taking and not yes and not _agreed(name, wish):
            return Exit.ERROR
        wish = session.change(take)
    _say(session, name, wish)
    return Exit.OK


def _agreed(name: str, wish: OldMail) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody is there to confirm", where=f"mailbox import {name}", remedy="add --yes")
    many = old_mail.mails(wish.count or 0)
    return typer.confirm(f"{many} become tickets, as the rules say; they are not acknowledged. Take them?", err=True)


def _say(session: Session, name: str, wish: OldMail) -> None:
    if session.printer.for_people:
        session.printer.line(f"mailbox {name}: {old_mail.told(wish)}")
    else:
        told = wish.model_dump(mode="json", include={"since", "count", "confirmed_at", "ended_at"})
        session.printer.data({"name": name, "state": old_mail.state(wish), **told})
