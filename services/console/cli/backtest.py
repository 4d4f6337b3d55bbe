"""`backtest`: what would have become of the last mails under rules that are not applied. Writes nothing."""

import sys
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from services.console import backtest as testing
from services.console.backtest import Change, Progress, Result, Wanted
from services.console.cli.configuration import Detailed, Files, More, load
from services.console.cli.exits import Exit
from services.console.cli.mailbox import find
from services.console.cli.moments import moment
from services.console.cli.output import Printer, complain
from services.console.cli.session import session_of
from services.console.configuration.documents import Documents
from services.console.ends import End
from services.console.rules import saved, unsaved
from shared.runtime.clock import Clock
from shared.store.client import Store

Mailbox = Annotated[
    str | None,
    typer.Option("--mailbox", "-m", metavar="NAME", help="Only its mails. Otherwise those of the documents, or all."),
]
Last = Annotated[
    int | None,
    typer.Option("--last", "-n", min=1, max=testing.LIMIT, help="So many mails, the newest. 200; with --since, 5000."),
]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="Came in since: ISO 8601, or 2h, 7d ago.")]
COLUMNS = ("mail_id", "mailbox", "sender", "subject", "old", "new", "why")
UNTESTED: Mapping[str, str] = {
    testing.RAW_MISSING: "their raw mail is no longer stored",
    testing.MAILBOX_GONE: "their mailbox is no longer there",
    testing.TICKET_GONE: "the ticket they belong to is no longer there",
}
QUIET_SECONDS: Final = 5.0


def backtest(
    context: typer.Context,
    file: Files,
    more: More = None,
    mailbox: Mailbox = None,
    last: Last = None,
    since: Since = None,
    detailed_exitcode: Detailed = False,
) -> int:
    """Show which of the last mails would have ended differently under the rules of YAML documents. Writes nothing.

    Without --mailbox: the mails of the mailboxes in the documents; of all, if these change the catalogue.
    """
    session, documents = session_of(context), load([*file, *(more or [])])
    from_ = moment(since, Clock().now()) if since else None
    count = last or (testing.LIMIT if since else testing.USUAL)

    async def work(store: Store) -> tuple[list[Change], Result]:
        names = _mailboxes(documents, (await find(store, mailbox)).name if mailbox else None)
        rules = await saved(store)
        told = testing.backtest(store, rules, unsaved(rules, documents), Wanted(names, count, from_))
        changes, watch = list[Change](), _Watch()
        async with aclosing(told):
            async for one in told:
                match one:
                    case Progress():
                        watch.show(one)
                    case Change():
                        changes.append(one)
                    case Result():
                        return changes, one
        raise AssertionError("a back-test ends with its result")

    changes, result = session.run(work)
    _print(session.printer, changes, result)
    return Exit.CHANGED if changes and detailed_exitcode else Exit.OK


def _mailboxes(documents: Documents, named: str | None) -> tuple[str, ...] | None:
    if named is not None:
        return (named,)
    return None if documents.catalogue else tuple(one.name for one in documents.mailboxes)


class _Watch:
    """Progress on standard error: in one line that is overwritten; where nobody looks, now and then a note."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._told = self._clock.monotonic()

    def show(self, one: Progress) -> None:
        """So far."""
        if sys.stderr.isatty():
            end = "\n" if one.done == one.of else ""
            sys.stderr.write(f"\r{one.done} of {one.of} mails{end}")
            sys.stderr.flush()
        elif self._clock.monotonic() - self._told >= QUIET_SECONDS:
            self._told = self._clock.monotonic()
            complain("note", f"{one.done} of {one.of} mails")


def _print(printer: Printer, changes: list[Change], result: Result) -> None:
    if not printer.for_people:
        printer.data({**asdict(result), "changes": [_record(one) for one in changes]})
        return
    if changes:
        shown = COLUMNS if all(one.today is None for one in changes) else (*COLUMNS[:5], "today", *COLUMNS[5:])
        printer.records("Would have ended differently", shown, [_row(one) for one in changes])
    words = ("old", "new") if result.today is None else ("old", "today", "new")
    counts = {"old": result.old, "new": result.new, "today": result.today or {}}
    outcomes = sorted({one for word in words for one in counts[word]})
    printer.table("Outcomes", ("outcome", *words), [(one, *(counts[w].get(one, 0) for w in words)) for one in outcomes])
    for code, count in result.untested.items():
        printer.line(f"{count} mail(s) could not be tried: {UNTESTED[code]}.")
    if result.today is not None:
        printer.line("The saved rules, too, give other ends than the books (today): they were changed since.")
    unchanged = result.examined - len(changes)
    printer.line(
        f"{result.examined} examined, {result.by_rules} end otherwise by these rules, {unchanged} do not change."
    )


def _row(one: Change) -> dict[str, Any]:
    ends = {"old": one.old, "new": one.new, "today": one.today}
    told = {name: _told(end) if end else None for name, end in ends.items()}
    return {**_mail(one), **told, "why": " ".join(one.why)}


def _told(end: End) -> str:
    place = end.classification
    parts = (
        [f"{name} {value}" for name, value in place.model_dump(exclude={"priority"}).items() if value] if place else []
    )
    number = [end.number] if end.number and end.classification is None else []
    return ", ".join([end.outcome, *number, *parts])


def _record(one: Change) -> dict[str, Any]:
    """A change with stable names."""
    ends = {"old": one.old, "new": one.new, "today": one.today}
    return {**_mail(one), **{name: _end(end) if end else None for name, end in ends.items()}, "why": list(one.why)}


def _mail(one: Change) -> dict[str, Any]:
    headline = one.entry.headline
    names = {"sender": headline.sender, "subject": headline.subject}
    return {"mail_id": one.entry.mail_id, "mailbox": one.entry.origin.mailbox, **names}


def _end(end: End) -> dict[str, Any]:
    place = end.classification.model_dump(mode="json") if end.classification else {}
    told = {"outcome": end.outcome, "kind": end.kind, "reason": end.reason, "sentence": end.sentence}
    return {**told, "number": end.number, **place}
