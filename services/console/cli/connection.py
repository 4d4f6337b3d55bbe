"""`mailbox test` and `mailbox defaults`: what a mailbox's servers say before it is saved, and which they likely are."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

import typer
from pydantic import SecretStr

from services.console import testing
from services.console.cli.actor import actor
from services.console.cli.configuration import load
from services.console.cli.environment import environment
from services.console.cli.exits import Exit
from services.console.cli.mailbox import find
from services.console.cli.output import Printer
from services.console.cli.session import Session, session_of
from services.console.defaults.presets import AuthType, Server
from services.console.defaults.presets import defaults as preset
from services.console.probe.addresses import Rules
from services.console.probe.checklist import probe
from services.console.probe.credentials import Reveal
from services.console.probe.settings import ProbeSettings
from services.console.probe.steps import Outcome, StepResult
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Encryption, Mailbox, Provider
from shared.oauth.authorities import Authorities
from shared.oauth.settings import OAuthSettings
from shared.runtime.clock import Clock
from shared.runtime.settings import read
from shared.store.client import Store
from shared.store.mailboxes import stored_fields
from shared.store.secrets import referred

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Name of a stored mailbox.")]
File = Annotated[
    list[str] | None,
    typer.Option("--file", "-f", metavar="PATH", help="Mailboxes in YAML that need not be stored; - for stdin."),
]
Loopback = Annotated[bool, typer.Option("--allow-loopback", help="Servers on this machine may be tested, on any port.")]


def test(context: typer.Context, name: Name = None, file: File = None, allow_loopback: Loopback = False) -> int:
    """Test a mailbox step by step: IMAP, then SMTP. Reads only. Exit 1 if a step fails."""
    if (name is None) == (not file):
        raise typer.BadParameter("give the NAME of a stored mailbox, or -f FILE")
    session = session_of(context)
    rules = _rules(session, allow_loopback)
    given = tuple(Mailbox(name=one.name, spec=one.spec) for one in load(file).mailboxes) if file else ()

    if file and not given:
        raise ConfigurationError("there is no Mailbox in these documents", where=file[0], remedy="name another file")
    needs_store = (
        session.names_a_store() or not given or any(stored_fields(one.spec) or one.spec.delegated for one in given)
    )

    async def with_store(store: Store) -> bool:
        mailboxes = given or (await find(store, name or ""),)
        return await _test(session.printer, mailboxes, store.secrets.reveal, rules, _Books(store, name))

    if needs_store:
        return Exit.OK if session.run(with_store) else Exit.ERROR
    passed = asyncio.run(_test(session.printer, given, _without_store, rules, None))
    return Exit.OK if passed else Exit.ERROR


def defaults(
    context: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The mailbox's address.")],
    provider: Annotated[Provider, typer.Option("--provider", help="Who runs the mail server.")] = Provider.OTHER,
    auth: Annotated[AuthType, typer.Option("--auth", help="How the mailbox signs in.")] = "basic",
) -> int:
    """Say which IMAP and SMTP servers an address most likely has. Asks nobody; `mailbox test` does."""
    printer, found = session_of(context).printer, preset(email, provider, auth)
    if printer.for_people:
        printer.pairs(found.title, {"imap": _server(found.imap), "smtp": _server(found.smtp)})
    else:
        printer.data(found.model_dump(mode="json"))
    return Exit.OK


@dataclass(frozen=True, slots=True)
class _Books:
    """Where a test is counted and written down; `name` is that of the stored mailbox, None for unsaved values."""

    store: Store
    name: str | None


async def _test(
    printer: Printer, mailboxes: Sequence[Mailbox], reveal: Reveal, rules: Rules, books: _Books | None
) -> bool:
    """Test one mailbox after the other; whether all of them passed."""
    authorities = Authorities.of(read(OAuthSettings, environment()))
    async with testing.credentials(reveal, authorities, books.store.sign_ins if books else None) as credentials:
        passed = [await _walk(printer, one, probe(one, credentials, rules, Clock()), books) for one in mailboxes]
    if printer.for_people:
        printer.line("The test passed." if all(passed) else "The test failed.")
    return all(passed)


async def _walk(printer: Printer, mailbox: Mailbox, results: AsyncGenerator[StepResult], books: _Books | None) -> bool:
    """Each step is said as soon as it ended. Where there is a store the test is counted and written down."""
    passed = True
    if books is not None:
        await testing.admit(books.store, actor())
        name = books.name or testing.UNSAVED
        results = testing.recorded(books.store, actor(), name, mailbox, results)
    if printer.for_people:
        printer.line(f"Mailbox {mailbox.name} ({mailbox.spec.email})")
    async with aclosing(results):
        async for result in results:
            _say(printer, mailbox.name, result)
            passed = passed and result.outcome is not Outcome.FAILED
    return passed


def _say(printer: Printer, name: str, result: StepResult) -> None:
    if not printer.for_people:
        printer.live({"mailbox": name, **result.model_dump(mode="json")})
        return
    took = "" if result.outcome is Outcome.SKIPPED else f"{result.milliseconds} ms"
    printer.line(f"  {result.chain:<4}  {result.name:<12}  {result.outcome:<7}  {took:>8}  {result.sentence}")
    if result.outcome is Outcome.FAILED:
        printer.line(f"{'':<38}  -> {result.remedy} [{result.code}]")
    sys.stdout.flush()


def _rules(session: Session, allow_loopback: bool) -> Rules:
    """A person with a shell may know at once that a port is closed; an all-in-one tests its own machine's servers."""
    here = allow_loopback or session.on_this_machine()
    return read(ProbeSettings, environment()).rules(allow_loopback=here, hide_refusals=False)


async def _without_store(mailbox: Mailbox, field: str) -> SecretStr:
    found = await referred(mailbox, field, environment())
    if found is None:
        raise ConfigurationError("the secret is in the store", where=field, remedy="test the stored mailbox")
    return found


def _server(server: Server) -> str:
    word = "SSL" if server.encryption is Encryption.IMPLICIT_TLS else "TLS"
    return f"{server.host}, port {server.port}, {word} ({server.encryption})"
