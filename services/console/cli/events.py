"""`events tail|replay|schema`: what other systems are told. Replaying tells it again, with the same ids."""

import asyncio
import sys
from collections import Counter
from functools import partial
from importlib.metadata import version
from typing import Annotated, Any

import typer
import yaml

from services.console import changes
from services.console.cli.actor import actor
from services.console.cli.exits import Exit
from services.console.cli.moments import moment
from services.console.cli.output import Printer, complain, plain
from services.console.cli.session import session_of
from services.console.configuration.problems import suggest
from services.console.retelling import RETELLERS, Wanted, retold
from shared.broker.topology import TICKETS
from shared.contracts.asyncapi import document
from shared.contracts.events import short_name
from shared.runtime.clock import Clock
from shared.store.client import Store

LINE = "{time:<19}  {type:<28}  {number:<16}  {mailbox:<16}  {key}"
NUMBER_ELSE = ("number", "reason")
"""What tells a person most about an event: a ticket's number, or why there is none."""


def tail(
    context: typer.Context,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", "-k", metavar="PATTERN", help="Binding key, such as ticket.created.#. Repeatable."),
    ] = None,
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="End after this many.")] = None,
) -> int:
    """Show events as they are published, until Ctrl-C: a line each. Takes them from nobody."""
    from services.console.event_wire import watch  # only here: its driver takes long to import

    session, keys = session_of(context), key or ["#"]

    def listening() -> None:
        complain("note", f"listening on exchange {TICKETS} for {' '.join(keys)}; Ctrl-C ends")

    asyncio.run(watch(session.broker_settings(), keys, count, partial(_show, session.printer), listening))
    return Exit.OK


def replay(
    context: typer.Context,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="From when on: ISO 8601, or 30m, 2h, 7d ago.")],
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before when.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Only these, such as ticket.created. Repeatable.")
    ] = None,
    mailbox: Annotated[str | None, typer.Option("--mailbox", "-m", metavar="NAME", help="Only its.")] = None,
    key_prefix: Annotated[
        list[str] | None,
        typer.Option("--key-prefix", metavar="WORDS", help="Only keys that begin so, in whole words. Repeatable."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many it would be.")] = False,
) -> int:
    """Send events again, to all who subscribe: made from tickets and books, with the ids of the first time."""
    session, now = session_of(context), Clock().now()
    wanted = Wanted(
        since=moment(since, now),
        until=moment(until, now) if until else None,
        types=frozenset(map(_type, kind or ())),
        mailbox=mailbox,
        keys=tuple(key_prefix or ()),
    )
    source = session.event_source()

    async def count(store: Store) -> Counter[str]:
        return Counter([event.type async for event in retold(store, source, wanted)])

    async def send(store: Store) -> Counter[str]:
        from services.console.event_wire import send_again  # only here: its driver takes long to import

        async with changes.audited(store, actor(), "replay", "Events", TICKETS, new=_told(wanted)):
            return await send_again(session.broker_settings(), retold(store, source, wanted))

    _report(session.printer, session.run(count if dry_run else send), dry_run=dry_run)
    return Exit.OK


def schema(context: typer.Context) -> int:
    """Print the AsyncAPI document of the events (YAML; JSON with --output json)."""
    printer, made = session_of(context).printer, document(version("mail-automator"))
    if printer.format == "json":
        printer.data(made)
    else:
        sys.stdout.write(as_yaml(made))
    return Exit.OK


def as_yaml(made: dict[str, Any]) -> str:
    """The document as people read it."""
    return yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=110)


def _show(printer: Printer, key: str, event: dict[str, Any]) -> None:
    if not printer.for_people:
        printer.live(event)
        return
    data: dict[str, Any] = event.get("data") or {}
    told = next((data[name] for name in NUMBER_ELSE if data.get(name)), None)
    fields = {"type": short_name(str(event.get("type"))), "number": told, "mailbox": data.get("mailbox"), "key": key}
    time = str(event.get("time"))[:19].replace("T", " ")
    printer.line(LINE.format(time=plain(time), **{name: plain(one) for name, one in fields.items()}))
    sys.stdout.flush()


def _type(text: str) -> str:
    """The type that a person means: with or without prefix, with or without version."""
    known = {name: kind for kind in RETELLERS for name in (kind, short_name(kind), short_name(kind)[: -len(".v1")])}
    if text not in known:
        short = [short_name(kind) for kind in RETELLERS]
        raise typer.BadParameter(f"no event is called {text}: {suggest(text, short, ', '.join(short))}")
    return known[text]


def _told(wanted: Wanted) -> dict[str, Any]:
    """What was asked for, for the audit log."""
    return {
        "since": wanted.since.isoformat(),
        "until": wanted.until.isoformat() if wanted.until else None,
        "types": sorted(wanted.types),
        "mailbox": wanted.mailbox,
        "key_prefixes": list(wanted.keys),
    }


def _report(printer: Printer, sent: Counter[str], *, dry_run: bool) -> None:
    counts = {short_name(kind): sent[kind] for kind in RETELLERS if sent[kind]}
    if not printer.for_people:
        printer.data({"dry_run": dry_run, "sent": 0 if dry_run else sent.total(), "events": counts})
        return
    if counts:
        printer.table("Events", ("type", "count"), list(counts.items()))
    printer.line(f"{'dry run, nothing sent: ' if dry_run else ''}{sent.total()} event(s){'' if dry_run else ' sent'}")
