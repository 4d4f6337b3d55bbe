"""`doctor`: is the system well? With `--bundle`, also a file for support, without anybody's data."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from services.console.cli.environment import environment
from services.console.cli.exits import Exit
from services.console.cli.session import Session, session_of
from services.console.doctor import bundle, checks, contents
from services.console.doctor.checks import Check, State
from services.console.doctor.redacting import SECRET_NAMES, secrets_in
from shared.domain.errors import AutomatorError
from shared.runtime.clock import Clock
from shared.runtime.settings import PREFIX
from shared.store.client import Store

COLUMNS = ("name", "state", "sentence", "remedy")
NEEDS_STORE = ("store_indexes", "store_guarantees", "secrets", "books", "quarantine", "outbox", "acknowledgements")


def doctor(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Option("--bundle", metavar="FILE", help="Also write a support bundle (tar.gz) there.")
    ] = None,
) -> int:
    """Check every part: store, broker, books, secrets, mailboxes. Works when some are down. Exit 1: a finding.

    A support bundle holds versions, settings, counts and metrics. It holds no mail, address, subject or secret.
    """
    session = session_of(context)
    found, parts = asyncio.run(_examine(session, with_parts=file is not None))
    session.printer.records("Health", COLUMNS, [asdict(one) for one in found])
    if file is not None:
        names = bundle.write(file, {"checks.json": _told(found), **parts}, _secrets(session), Clock().now())
        if session.printer.for_people:
            session.printer.line(f"{file}: {len(names)} files; look into it before you send it: {', '.join(names)}")
    return Exit.ERROR if any(one.state is State.FINDING for one in found) else Exit.OK


async def _examine(session: Session, *, with_parts: bool) -> tuple[tuple[Check, ...], dict[str, Any]]:
    """The checks, and the parts of a bundle if one is wanted."""
    parts: dict[str, Any] = {}
    found: list[Check] = []
    try:
        store = await session.open()
    except AutomatorError as error:
        found += [checks.failed("store", error), *(checks.skipped(one, "the store is away") for one in NEEDS_STORE)]
    else:
        try:
            found += [Check("store", State.OK, "The store answers."), *await checks.of_store(store, session.open)]
            parts |= await _of_store(store) if with_parts else {}
        finally:
            await store.close()
    try:
        found += await checks.of_broker(session.broker_settings())
    except AutomatorError as error:
        found += [checks.failed("broker", error), checks.skipped("topology", "the broker does not answer")]
    return tuple(found), parts | (await _of_system(session) if with_parts else {})


async def _of_store(store: Store) -> dict[str, Any]:
    return {
        "counts.json": await contents.part(contents.counts(store)),
        "mailboxes.json": await contents.part(contents.mailboxes(store)),
        "catalogue.json": await contents.part(contents.catalogue(store)),
        "audit.json": await contents.part(contents.audit(store)),
    }


async def _of_system(session: Session) -> dict[str, Any]:
    from shared.broker.depths import depths  # only here: its driver takes long to import

    return {
        "versions.json": contents.versions(),
        "settings.json": contents.settings(environment(), PREFIX),
        "queues.json": await depths(session.broker_settings().url) or "not available\n",
        **await contents.admin(session.admin_urls()),
    }


def _told(found: Sequence[Check]) -> list[dict[str, str]]:
    """States and codes; the sentences are ours, and scrubbed like everything."""
    return [asdict(one) for one in found]


def _secrets(session: Session) -> frozenset[str]:
    """Every secret that this process was given: looked for, and taken out, wherever it might have got to."""
    given = [
        value
        for name, value in environment().items()
        if name.startswith(PREFIX) and ("://" in value or any(word in name for word in SECRET_NAMES))
    ]
    return frozenset(secret for value in [*given, *session.secret_urls()] for secret in secrets_in(value))
