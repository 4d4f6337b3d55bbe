"""`apply`, `diff`, `export` and `config schema`: mailboxes and catalogue as YAML."""

import sys
from typing import Annotated, Any

import typer
import yaml

from services.console.changes import carry_out
from services.console.cli.actor import actor
from services.console.cli.exits import Exit
from services.console.cli.output import Printer, complain
from services.console.cli.session import Session, session_of
from services.console.configuration import apply as applying
from services.console.configuration.diff import summary, unified
from services.console.configuration.documents import Documents, parse
from services.console.configuration.export import export as export_text
from services.console.configuration.plan import Plan
from services.console.configuration.reference import markdown
from services.console.configuration.schema import json_schema
from services.console.configuration.source import read
from shared.store.client import Store
from shared.store.keys import Keyring

Files = Annotated[
    list[str],
    typer.Option("--file", "-f", metavar="PATH", help="YAML file, directory, or - for stdin. Repeatable."),
]
More = Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="More paths, so that -f *.yaml works.")]
Prune = Annotated[bool, typer.Option("--prune", help="Delete what the documents (of a kind they contain) do not name.")]
Detailed = Annotated[bool, typer.Option("--detailed-exitcode", help="Exit 2 if something changes (or changed).")]


def apply(
    context: typer.Context,
    file: Files,
    more: More = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show each change as a unified diff.")] = False,
    prune: Prune = False,
    detailed_exitcode: Detailed = False,
) -> int:
    """Bring the store to what YAML documents say. Idempotent; running services follow within seconds."""
    session, documents = session_of(context), load([*file, *(more or [])])

    async def work(store: Store) -> Plan:
        todo = await applying.plan(store, documents, prune=prune)
        if not dry_run:
            _need_key(session, todo)
            await carry_out(store, actor(), todo)
        return todo

    todo = session.run(work) if dry_run else session.change(work)
    _report(session.printer, todo, dry_run=dry_run, with_diff=diff)
    return Exit.CHANGED if todo.changed and detailed_exitcode else Exit.OK


def diff(
    context: typer.Context, file: Files, more: More = None, prune: Prune = False, detailed_exitcode: Detailed = False
) -> int:
    """Show what `apply` would change, as a unified diff. Writes nothing."""
    session, documents = session_of(context), load([*file, *(more or [])])

    async def work(store: Store) -> Plan:
        return await applying.plan(store, documents, prune=prune)

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


def _need_key(session: Session, todo: Plan) -> None:
    """Refuse before anything is written if there are secrets and no key to seal them with."""
    if any(write.secrets for write in todo.writes):
        Keyring.of(session.settings()).current()


def _report(printer: Printer, todo: Plan, *, dry_run: bool, with_diff: bool) -> None:
    if not printer.for_people:
        printer.data(_as_data(todo, dry_run=dry_run))
        return
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
