"""`audit`: whether the books balance."""

from dataclasses import asdict, fields

import typer

from services.console.books import Balance, Row, balance
from services.console.cli.exits import Exit
from services.console.cli.output import Printer, complain
from services.console.cli.session import session_of
from services.console.facts import read_facts


def audit(context: typer.Context) -> int:
    """Balance the books per mailbox: every mail that was seen has exactly one end. Exit 1 if one is unaccounted for."""
    session = session_of(context)
    result = balance(session.run(read_facts))
    if session.printer.for_people:
        _for_people(session.printer, result)
    else:
        session.printer.data({**asdict(result), "balanced": result.balanced})
    return Exit.OK if result.balanced else Exit.UNBALANCED


def _for_people(printer: Printer, result: Balance) -> None:
    columns = [one.name for one in fields(Row)]
    rows = [*result.rows, result.total] if len(result.rows) != 1 else list(result.rows)
    printer.table("Books, in mails", columns, [[getattr(row, name) for name in columns] for row in rows])
    if result.total.holes:
        printer.line(f"{result.total.holes} mail(s) lie on a server that did not give them; the fetcher tries again.")
    if result.outbox_pending:
        printer.line(f"{result.outbox_pending} event(s) are written and not published yet; the bookkeeper sends them.")
    for one in result.findings:
        complain("error", f"{one.sentence} ({one.code}, mailbox {one.mailbox}) -> mail-automator trace {one.subject}")
    if result.balanced and result.total.holes:
        printer.line("The books balance, but for the mails that the server did not give.")
    elif result.balanced:
        printer.line("The books balance: every mail is accounted for.")
    else:
        printer.line(f"The books do not balance: {len(result.findings)} finding(s).")
