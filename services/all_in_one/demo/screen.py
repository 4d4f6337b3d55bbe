"""What the demo shows: steps, each mail as it ends, the table, what to try next. In colour on a terminal only."""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from services.all_in_one.demo.command import PROGRAM
from services.all_in_one.demo.outcome import Ended, complaint
from services.all_in_one.demo.preparation import LOGINS, Premises
from services.all_in_one.system import System

PLAIN_WIDTH: Final = 170


class Screen:
    """Writes to standard output. Everything shown is text of ours or of demo mails."""

    def __init__(self) -> None:
        console = Console(highlight=False)
        self.interactive = console.is_terminal
        self.console = console if self.interactive else Console(highlight=False, width=PLAIN_WIDTH)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, console=self.console, disable=not self.interactive, transient=True)
        self._bar: TaskID = self._progress.add_task("mails", total=None)
        self._shown: set[int] = set()
        self.first_link = ""

    def say(self, text: str) -> None:
        """One line."""
        self.console.print(escape(text))

    def begin(self, count: int) -> None:
        """From now on `count` mails are awaited."""
        self._progress.update(self._bar, total=count, completed=0)
        self._progress.start()

    def ended(self, ends: Sequence[Ended]) -> None:
        """Show those that ended since the last call."""
        for number, one in enumerate(ends):
            if one.final and number not in self._shown:
                self._shown.add(number)
                mark = "[red]✗[/]" if complaint(one, ends) and not one.mail.expected.of else "[green]✓[/]"
                line = f"{one.mail.letter.mailbox:<9} {one.mail.letter.title:<32} {one.outcome:<10} {one.detail}"
                self.console.print(f"  {mark} {escape(line)}", no_wrap=True, overflow="ellipsis")
        self._progress.update(self._bar, completed=len(self._shown))

    def finish(self) -> None:
        """No more mails are awaited."""
        self._progress.stop()

    def table(self, ends: Sequence[Ended]) -> None:
        """The one table: every mail, its end, and whether that is the right one."""
        table = Table(title="What became of every mail", title_justify="left")
        for name in ("mail", "mailbox", "delivered", "outcome"):
            table.add_column(name, no_wrap=True)
        table.add_column("ticket or reason", ratio=1)
        table.add_column("seconds", justify="right")
        table.add_column("as expected")
        for one in ends:
            wrong = complaint(one, ends)
            table.add_row(
                one.mail.letter.title,
                one.mail.letter.mailbox,
                "running" if one.mail.letter.late else "before",
                one.outcome,
                escape(one.detail),
                "-" if one.seconds is None else f"{one.seconds:.1f}",
                f"[red]no: {escape(wrong)}[/]" if wrong else "[green]yes[/]",
            )
        self.console.print(table)

    def summary(self, ends: Sequence[Ended]) -> None:
        """How many came to which end, and how long those that came in while it ran had to wait."""
        counts = Counter(one.outcome for one in ends)
        self.say(f"{len(ends)} mails: " + ", ".join(f"{count} {name}" for name, count in counts.most_common()))
        waits = [one.seconds for one in ends if one.mail.letter.late and one.seconds is not None]
        if waits:
            self.say(
                f"delivered while running: {median(waits):.1f} s to the event (median), {max(waits):.1f} s at most"
            )

    def next_steps(self, system: System, premises: Premises, ends: Sequence[Ended]) -> None:
        """What a person can do with the running system."""
        program = "mail-automator" if shutil.which("mail-automator") else _short(PROGRAM)
        command = f"{program} --data {_short(system.data)}"
        numbers = [one.entry.decision.number for one in ends if one.entry and one.entry.decision]
        maildir = premises.dovecot.maildir(LOGINS["support"]) / "new"
        mail = r"From: you@customer.example\nTo: support@desk.example\nSubject: Payroll question\n\nHello\n"
        lines = [
            "",
            "It goes on running. In a browser:",
            *(f"  {url.replace('127.0.0.1', 'localhost')}" for url in system.api_urls),
            *([f"  {self.first_link}"] if self.first_link else []),
            "In another terminal:",
            f"  {command} trace {next(filter(None, numbers), 'ada@customer.example')}",
            f"  {command} tickets list",
            f"  {command} mailbox list",
            f"  {command} export > mine.yaml; edit it; {command} apply -f mine.yaml",
            f"  printf '{mail}' > {maildir}/mine.$RANDOM   # delivers one more mail",
            *(f"  curl {url}/metrics   # {name}" for name in system.services for url in system.admin_urls(name)[:1]),
            f"Logs of the services: {_short(system.data / 'services.log')}",
            "Ctrl-C stops everything.",
        ]
        for line in lines:
            self.console.print(escape(line), soft_wrap=True)


def _short(path: Path) -> str:
    """The path as a person in this folder would write it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
