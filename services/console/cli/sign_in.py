"""`mailbox sign-in`: a person signs in to Microsoft for a mailbox, by a code that is typed in elsewhere (RFC 8628)."""

import asyncio
import sys
from typing import TYPE_CHECKING

import typer

from services.console import sign_in as signing
from services.console.cli.actor import actor
from services.console.cli.environment import environment
from services.console.cli.exits import Exit
from services.console.cli.mailbox import Name, find
from services.console.cli.output import Printer
from services.console.cli.session import session_of
from shared.domain.mailbox import Mailbox
from shared.domain.sign_in import SignIn
from shared.oauth.authorities import Authorities
from shared.oauth.errors import SignInRefused
from shared.oauth.settings import OAuthSettings
from shared.oauth.values import Application, Granted
from shared.runtime.settings import read
from shared.store.client import Store

if TYPE_CHECKING:
    from shared.oauth.person import DeviceCode, PersonSignIn


def sign_in(context: typer.Context, name: Name) -> int:
    """Sign in to Microsoft for a mailbox (flow: delegated): shows a code to type in at an address, and waits."""
    session = session_of(context)

    async def work(store: Store) -> tuple[Mailbox, SignIn]:
        mailbox = await find(store, name)
        application, where = await signing.asking(store, mailbox)
        granted = await _granted(session.printer, application, where)
        return mailbox, await signing.keep(store, actor(), mailbox, granted)

    mailbox, state = session.change(work)
    own = signing.is_own_account(mailbox, state.account)
    if session.printer.for_people:
        session.printer.line(f"mailbox {name} is signed in as {state.account}")
        if not own:
            email = mailbox.spec.email
            session.printer.line(f"note: that is not {email}; right for a shared mailbox that the account may open")
    else:
        session.printer.live({"name": name, "account": state.account, "own_account": own})
    return Exit.OK


async def _granted(printer: Printer, application: Application, where: str) -> Granted:
    from shared.oauth.person import PersonSignIn  # only here: its driver takes long to import

    settings = read(OAuthSettings, environment())
    door = PersonSignIn(Authorities.of(settings), settings.timeout_seconds)
    try:
        code = await door.device(application, where)
        _say(printer, code)
        async with asyncio.timeout(code.seconds):
            return await _answer(door, application, where, code)
    except TimeoutError:
        raise SignInRefused("nobody has signed in in time", where=where, remedy="start it once more") from None
    finally:
        door.close()


async def _answer(door: "PersonSignIn", application: Application, where: str, code: "DeviceCode") -> Granted:
    while True:
        await asyncio.sleep(code.interval)
        granted = await door.device_answer(application, where, code)
        if granted is not None:
            return granted


def _say(printer: Printer, code: "DeviceCode") -> None:
    if printer.for_people:
        minutes = max(1, code.seconds // 60)
        printer.line(f"Open {code.address} and type in {code.user_code} (good for {minutes} min).")
        printer.line("Sign in there as the mailbox, or as somebody who may open it. Waiting; Ctrl-C ends it.")
        sys.stdout.flush()
    else:
        printer.live({"address": code.address, "user_code": code.user_code, "seconds": code.seconds})
