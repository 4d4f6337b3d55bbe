"""`mail-automator`: the command line, every command in one visible table. A failure is one line, never a traceback."""

import io
import logging
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import structlog
import typer
from typer.exceptions import TyperException

from services.console.cli import (
    acknowledgements,
    audit,
    backtest,
    configuration,
    connection,
    doctor,
    erase,
    events,
    mailbox,
    old_mail,
    quarantine,
    replay,
    secrets,
    services,
    sign_in,
    simulate,
    store,
    store_check,
    tickets,
    token,
    topology,
    trace,
    users,
)
from services.console.cli.arguments import hoist
from services.console.cli.exits import Exit, NotFound
from services.console.cli.output import Format, complain
from services.console.cli.session import make_session, session_of
from services.console.configuration.problems import ConfigurationProblems
from shared.domain.errors import AutomatorError
from shared.observability.logs import SILENT

Command = Callable[..., int]
NAME = "mail-automator"
EPILOG = (
    "Exit codes: 0 ok; 1 error, or books that do not balance; 2 wrong command line, or changed "
    "(--detailed-exitcode); 3 not found."
)


def version(context: typer.Context) -> int:
    """Print the version."""
    printer = session_of(context).printer
    number = installed_version(NAME)
    printer.line(f"{NAME} {number}") if printer.for_people else printer.data({"version": number})
    return Exit.OK


COMMANDS: tuple[tuple[str, Command], ...] = (
    ("apply", configuration.apply),
    ("diff", configuration.diff),
    ("backtest", backtest.backtest),
    ("export", configuration.export),
    ("trace", trace.trace),
    ("replay", replay.replay),
    ("audit", audit.audit),
    ("erase", erase.erase),
    ("doctor", doctor.doctor),
    ("simulate", simulate.simulate),
    ("version", version),
)
"""Every command that stands alone."""

GROUPS: tuple[tuple[str, str, tuple[tuple[str, Command], ...]], ...] = (
    (
        "mailbox",
        "Mailboxes: what they do, test, sign in, pause, resume, delete.",
        (
            ("list", mailbox.list_),
            ("show", mailbox.show),
            ("test", connection.test),
            ("defaults", connection.defaults),
            ("preview-acknowledgement", acknowledgements.preview),
            ("sign-in", sign_in.sign_in),
            ("pause", mailbox.pause),
            ("resume", mailbox.resume),
            ("poll", mailbox.poll),
            ("import", old_mail.import_),
            ("accept-reappearance", mailbox.accept_reappearance),
            ("delete", mailbox.delete),
        ),
    ),
    (
        "tickets",
        "Tickets and requests: list, show, close, open again.",
        (("list", tickets.list_), ("show", tickets.show), ("close", tickets.close), ("reopen", tickets.reopen)),
    ),
    (
        "acknowledgements",
        "Answers to requesters: how far they are, and why some are not sent; send one again.",
        (
            ("list", acknowledgements.list_),
            ("show", acknowledgements.show),
            ("retry", acknowledgements.retry),
        ),
    ),
    (
        "quarantine",
        "Mails whose attempts ran out: look at them, send them again, discard them.",
        (
            ("list", quarantine.list_),
            ("show", quarantine.show),
            ("replay", quarantine.replay),
            ("discard", quarantine.discard),
        ),
    ),
    (
        "events",
        "Events for other systems: watch them, send them again, their description.",
        (("tail", events.tail), ("replay", events.replay), ("schema", events.schema)),
    ),
    (
        "token",
        "API tokens: make one (shown once), list them, revoke one.",
        (("create", token.create), ("list", token.list_), ("revoke", token.revoke)),
    ),
    (
        "users",
        "People who sign in to the console: list, add, invite, change, remove.",
        (
            ("list", users.list_),
            ("add", users.add),
            ("invite", users.invite),
            ("set-role", users.set_role),
            ("set-password", users.set_password),
            ("disable", users.disable),
            ("enable", users.enable),
            ("remove", users.remove),
        ),
    ),
    (
        "store",
        "The store's indexes, and what its server guarantees.",
        (("init", store.init), ("upgrade", store.upgrade), ("check", store_check.check)),
    ),
    (
        "topology",
        "The broker's exchanges and queues: look for them, declare them.",
        (("check", topology.check), ("apply", topology.apply)),
    ),
    (
        "secrets",
        "The keys of the secrets in the store.",
        (("key", secrets.key), ("status", secrets.status), ("rotate-key", secrets.rotate_key)),
    ),
    (
        "config",
        "The documents that `apply` reads.",
        (("schema", configuration.schema), ("reference", configuration.reference)),
    ),
)
"""Every group of commands: its name, what it is for, and its commands."""


def globals_(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Folder of a running demo or all-in-one.")
    ] = None,
    store_url: Annotated[
        str | None, typer.Option("--store-url", metavar="URL", help="mongodb://… of the store.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", metavar="FILE", help="Key of the stored secrets.")
    ] = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="How results are printed.")] = Format.TABLE,
) -> None:
    """Email in, tickets out: run the services, configure mailboxes, and ask what happened to a mail.

    Global options may stand before or after the command. Without them the store is where MAIL_AUTOMATOR_STORE_URL and
    MAIL_AUTOMATOR_STORE_KEY_FILE say.
    """
    context.obj = make_session(data, store_url, key_file, output)


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name=NAME, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True, epilog=EPILOG
    )
    app.callback()(globals_)
    for name, (_, text) in services.SERVICES.items():
        app.command(name, help=text, context_settings=services.PASS_ON)(services.runner(name))
    for name, command in COMMANDS:
        app.command(name)(command)
    for name, text, commands in GROUPS:
        group = typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None)
        for inner, command in commands:
            group.command(inner)(command)
        app.add_typer(group, name=name)
    return app


def main(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code. Whatever goes wrong is one line on standard error."""
    try:
        code = build()(args=hoist(arguments, frozenset(services.SERVICES)), prog_name=NAME, standalone_mode=False)
    except ConfigurationProblems as error:
        for problem in error.problems:
            complain("error", problem.line())
    except NotFound as error:
        complain("error", error.line())
        for reason in error.reasons:
            complain("note", reason)
        return Exit.NOT_FOUND
    except AutomatorError as error:
        complain("error", error.line())
    except TyperException as error:
        return _usage(error)
    except (typer.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
    except Exception as error:  # noqa: BLE001 - the last net: a person never meets a traceback
        complain("error", _bug(error))
    else:
        return int(code or 0)
    return Exit.ERROR


def run() -> None:
    """The entry point of the installed command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr), wrapper_class=_quiet())
    sys.exit(main(sys.argv[1:]))


def _quiet() -> type[structlog.typing.FilteringBoundLogger]:
    """Standard output belongs to the result: logs only from warnings on, to standard error."""
    return structlog.make_filtering_bound_logger("warning")


def _usage(error: TyperException) -> int:
    """A wrong command line, in one line; a group without a command shows its help."""
    context: typer.Context | None = getattr(error, "ctx", None)
    path = context.command_path if context is not None else NAME
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        sys.stderr.write(context.get_help() + "\n")
    else:
        text = str(getattr(error, "format_message", lambda: str(error))()).replace("\n", " ").rstrip(".")
        complain("error", f"{text} ({path}) -> see {path} --help")
    return Exit.USAGE


def _bug(error: Exception) -> str:
    """Where an unforeseen error arose. Not its text: that could hold a secret or mail."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else "unknown"
    return f"internal error {type(error).__name__} ({place}) -> this is a fault of the program: please report this line"
