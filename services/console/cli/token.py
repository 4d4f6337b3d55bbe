"""`token create|list|revoke`: API tokens. A token is shown once, when it is made; the store keeps only a hash of it."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from services.console import changes
from services.console.cli.actor import actor
from services.console.cli.exits import Exit, NotFound
from services.console.cli.session import session_of
from shared.domain.access import ApiToken, Role
from shared.runtime.clock import Clock
from shared.store.client import Store

COLUMNS = ("token_id", "name", "role", "created_by", "created_at", "expires_at", "revoked_at")


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is: a person or a program.")],
    role: Annotated[Role, typer.Option("--role", help="What it may do.")] = Role.VIEWER,
    days: Annotated[int | None, typer.Option("--days", min=1, max=3650, help="How long it opens.")] = None,
) -> int:
    """Make an API token and print it: this once, it cannot be read again."""
    session = session_of(context)
    expires_at = None if days is None else Clock().now() + timedelta(days=days)

    async def work(store: Store) -> tuple[ApiToken, str]:
        made, text = await changes.create_token(store, actor(), name, role, expires_at)
        return made, text.get_secret_value()

    made, text = session.run(work)
    if session.printer.for_people:
        session.printer.line(text)
    else:
        session.printer.data({**record(made), "token": text})
    return Exit.OK


def list_(context: typer.Context) -> int:
    """List API tokens: whose, what they may do, until when. Never the tokens themselves."""
    session = session_of(context)

    async def work(store: Store) -> list[dict[str, Any]]:
        return [record(one) for one in await store.api_tokens.all()]

    session.printer.records("API tokens", COLUMNS, session.run(work), "none yet; `mail-automator token create NAME`")
    return Exit.OK


def revoke(context: typer.Context, token_id: Annotated[str, typer.Argument(metavar="TOKEN_ID")]) -> int:
    """Close an API token for ever."""
    session = session_of(context)

    async def work(store: Store) -> bool:
        return await changes.revoke_token(store, actor(), token_id)

    if not session.run(work):
        raise NotFound(f"no open token has the id {token_id}", remedy="mail-automator token list shows all")
    if session.printer.for_people:
        session.printer.line(f"token {token_id} revoked")
    else:
        session.printer.data({"token_id": token_id, "revoked": True})
    return Exit.OK


def record(token: ApiToken) -> dict[str, Any]:
    """A token as a flat record with stable names."""
    return {name: getattr(token, name) for name in COLUMNS} | {"role": token.role.value}
