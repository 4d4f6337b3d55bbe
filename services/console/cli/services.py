"""`mail-automator fetcher|filter|...`: becomes that service. Imports none of them: the process is replaced."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from services.console.cli.environment import environment
from services.console.cli.session import Session, read_endpoints, session_of

SERVICES = {
    "fetcher": ("services.fetcher", "Run the fetcher: mailboxes -> email.fetched."),
    "filter": ("services.filter", "Run the filter: email.fetched -> email.accepted, or a rejection."),
    "classifier": ("services.classifier", "Run the classifier: email.accepted -> email.classified."),
    "ticket-writer": ("services.ticket_writer", "Run the ticket writer: email.classified -> tickets and events."),
    "notifier": ("services.notifier", "Run the notifier: ticket.created -> acknowledgements by SMTP."),
    "bookkeeper": ("services.bookkeeper", "Run the bookkeeper: re-publishes unfinished mail, relays events."),
    "console": ("services.console", "Run the console: the HTTP API for mailboxes, catalogue, tickets and mails."),
    "all-in-one": ("services.all_in_one", "Run everything on this machine; starts a broker and a store if need be."),
    "demo": ("services.all_in_one.demo", "Run everything with a demo mail server, deliver mails, show their ends."),
}
"""Every service: its module, and what it is for."""

LAPTOP = ("all-in-one", "demo")
PASS_ON: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def runner(name: str) -> Callable[[typer.Context], None]:
    """The command that becomes the service of that name; all further arguments are the service's own."""
    module, _ = SERVICES[name]

    def become(context: typer.Context) -> None:
        session = session_of(context)
        arguments = list(context.args)
        if name in LAPTOP and session.data is not None:
            arguments = ["--data", str(session.data), *arguments]
        command = [sys.executable, "-m", module, *arguments]
        os.execve(sys.executable, command, _environment(session, laptop=name in LAPTOP))  # noqa: S606 - no shell

    return become


def _environment(session: Session, *, laptop: bool) -> dict[str, str]:
    """Global options reach a service the way everything does: as its settings."""
    found = dict(environment())
    if session.data is not None and not laptop:
        ends = read_endpoints(session.data)
        found["MAIL_AUTOMATOR_STORE_URL"] = ends.store_url.get_secret_value()
        if ends.broker_url is not None:
            found["MAIL_AUTOMATOR_BROKER_URL"] = ends.broker_url.get_secret_value()
        if ends.store_database is not None:
            found["MAIL_AUTOMATOR_STORE_DATABASE"] = ends.store_database
        if ends.key_file is not None:
            found |= _key_file(ends.key_file)
    if session.store_url is not None:
        found["MAIL_AUTOMATOR_STORE_URL"] = session.store_url.get_secret_value()
    if session.key_file is not None:
        found |= _key_file(session.key_file)
    return found


def _key_file(file: Path) -> dict[str, str]:
    """A key file takes the place of a key in the environment."""
    return {"MAIL_AUTOMATOR_STORE_KEY_FILE": str(file), "MAIL_AUTOMATOR_STORE_KEY": ""}
