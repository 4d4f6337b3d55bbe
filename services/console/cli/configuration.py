"""`apply`, `diff`, `export` and `config schema`: mailboxes and catalogue as YAML."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
import yaml

from services.console.changes import carry_out
from services.console.cli.actor import actor
from services.console.cli.exits import Exit
from services.console.cli.output import Printer, complain
from services.console.cli.session import Session, session_of
from services.console.configuration import apply as applying
from services.console.configuration.arrival import Statuses, arrivals
from services.console.configuration.diff import summary, unified
from services.console.configuration.documents import Documents, parse
from services.console.configuration.export import export as export_text
from services.console.configuration.plan import Action, Plan
from services.console.configuration.reference import markdown
from services.console.configuration.schema import json_schema
from services.console.configuration.selector import Selector
from services.console.configuration.selector import parse as selected
from services.console.configuration.source import read
from shared.domain.mailbox_runtime import MailboxStatus
from shared.store.client import Store
from shared.store.keys import Keyring

Files = Annotated[
    list[str],
    typer.Option("--file", "-f", metavar="PATH", help="YAML file, directory, or - for stdin. Repeatable."),
]
More = Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="More paths, so that -f *.yaml works.")]
Prune = Annotated[bool, typer.Option("--prune", help="Delete what the documents (of a kind they contain) do not name.")]
Select = Annotated[
    list[str] | None,
    typer.Option("--selector", "-l", metavar="KEY=VALUE", help="Only what carries these labels; with --prune, too."),
]
Wait = Annotated[bool, typer.Option("--wait", help="Until every mailbox has connected once, or failed: then exit 1.")]
WaitSeconds = Annotated[float, typer.Option("--wait-seconds", min=1, max=3600, help="How long --wait may take.")]
Detailed = Annotated[bool, typer.Option("--detailed-exitcode", help="Exit 2 if something changes (or changed).")]


def apply(
    context: typer.Context,
    file: Files,
    more: More = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show each change as a unified diff.")] = False,
    prune: Prune = False,
    selector: Select = None,
    wait: Wait = False,
    wait_seconds: WaitSeconds = 60,
    detailed_exitcode: Detailed = False,
) -> int:
    """Bring the store to what YAML documents say. Idempotent; running services follow within seconds."""
    session, documents = session_of(context), load([*file, *(more or [])])
    chosen = _chosen(selector, documents)
    before: dict[str, MailboxStatus] = {}

    async def work(store: Store) -> Plan:
        before.update(await store.runtime.statuses() if wait else {})
        todo = await applying.plan(store, documents, prune=prune, selector=chosen)
        if not dry_run:
            _need_key(session, todo)
            await carry_out(store, actor(), todo)
        return todo

    todo = session.run(work) if dry_run else session.change(work)
    if session.printer.for_people:
        _report(session.printer, todo, dry_run=dry_run, with_diff=diff)
    waited = session.run(lambda store: _arrived(store, todo, before, wait_seconds)) if wait and not dry_run else None
    if not session.printer.for_people:
        session.printer.data(_as_data(todo, dry_run=dry_run) | ({} if waited is None else {"waited": waited}))
    if not _all_arrived(session.printer, waited or {}):
        return Exit.ERROR
    return Exit.CHANGED if todo.changed and detailed_exitcode else Exit.OK


def diff(
    context: typer.Context,
    file: Files,
    more: More = None,
    prune: Prune = False,
    selector: Select = None,
    detailed_exitcode: Detailed = False,
) -> int:
    """Show what `apply` would change, as a unified diff. Writes nothing."""
    session, documents = session_of(context), load([*file, *(more or [])])
    chosen = _chosen(selector, documents)

    async def work(store: Store) -> Plan:
        return await applying.plan(store, documents, prune=prune, selector=chosen)

    todo = session.run(work)
    if session.printer.for_people:
        session.printer.block(unified(todo) or "no difference")
    else:
        session.printer.data(_as_data(todo, dry_run=True))
    return Exit.CHANGED if todo.changed and detailed_exitcode else Exit.OK


def export(context: typer.Context) -> int:
    """Write all mailboxes and the catalogue as YAML documents, without secrets. Applied again, they change nothing."""
    session = session_of(context)

    async def work(store: Store) -> str:
        return export_text(await store.mailboxes.all(), await store.catalogue.load())

    text = session.run(work)
    if session.printer.format == "json":
        session.printer.data(list(yaml.safe_load_all(text)))
    else:
        sys.stdout.write(text)
    return Exit.OK


def schema(context: typer.Context) -> int:
    """Print the JSON Schema of the documents, for editors and other programs."""
    session_of(context).printer.data(json_schema())
    return Exit.OK


def reference(context: typer.Context) -> int:
    """Print the reference of the documents (Markdown): every field, its values, its default, its meaning."""
    sys.stdout.write(markdown())
    return Exit.OK


def load(paths: list[str]) -> Documents:
    """The documents of these paths; warnings go to standard error. Raises ConfigurationProblems."""
    documents = parse(read(paths, sys.stdin))
    for warning in documents.warnings:
        complain("warning", warning)
    return documents


def _chosen(selector: list[str] | None, documents: Documents) -> Selector:
    chosen = selected(selector or ())
    if chosen and not chosen.of(documents).kinds:
        complain("warning", "no document carries the labels of --selector -> check its spelling")
    return chosen


def _need_key(session: Session, todo: Plan) -> None:
    """Refuse before anything is written if there are secrets and no key to seal them with."""
    if any(write.secrets for write in todo.writes):
        Keyring.of(session.settings()).current()


async def _arrived(store: Store, todo: Plan, before: Statuses, seconds: float) -> dict[str, str]:
    """By mailbox that was applied and is to be fetched: why it does not work, empty if it connected."""
    applied = {one.name for one in todo.changes if one.kind == "Mailbox" and one.action is not Action.DELETE}
    names = [one.name for one in await store.mailboxes.all() if one.name in applied and one.active]
    return await arrivals(store, names, {one.mailbox.name for one in todo.writes}, before, seconds)


def _all_arrived(printer: Printer, waited: Mapping[str, str]) -> bool:
    for name, reason in waited.items():
        if reason:
            complain("error", f"mailbox {name} does not work: {reason}")
        elif printer.for_people:
            printer.line(f"mailbox {name} connected")
    return not any(waited.values())


def _report(printer: Printer, todo: Plan, *, dry_run: bool, with_diff: bool) -> None:
    if with_diff:
        printer.block(unified(todo))
    if todo.changes:
        rows = [(change.action, change.kind, change.name) for change in todo.changes]
        printer.table("Configuration", ("action", "kind", "name"), rows)
    printer.line(f"{'dry run, nothing written: ' if dry_run else ''}{summary(todo)}")


def _as_data(todo: Plan, *, dry_run: bool) -> dict[str, Any]:
    changes = [
        {"action": one.action, "kind": one.kind, "name": one.name, "new_secrets": one.new_secrets}
        for one in todo.changes
    ]
    return {"changed": todo.changed, "dry_run": dry_run, "changes": changes, "diff": unified(todo)}
