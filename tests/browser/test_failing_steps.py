"""Each step of the test of a mailbox fails once, in the browser: the page names it and says what to do."""

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from services.all_in_one.demo.dovecot import Dovecot
from shared.domain.access import Role
from tests.browser.conftest import Visit
from tests.support.bad_certificates import make
from tests.support.canary import secret
from tests.support.console import Console
from tests.support.dovecot import USERS, ShortLived
from tests.support.imap import USER
from tests.support.smtp import scripted_server, server_context, smtp_server
from tests.support.wizard import fill_in, new_mailbox, try_out

Look = Callable[[Page], Awaitable[None]]


def free_port() -> int:
    """One at which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def at(server: Dovecot, **more: Any) -> dict[str, Any]:
    """The fields of a mailbox of a Dovecot; `more` replaces some."""
    return new_mailbox(USER, USERS[USER], server.tls_port, server.ca_file, **more)


async def shown(visit: Visit, look: Look, values: dict[str, Any], code: str) -> None:
    """A new mailbox with these values is tested and fails with that code, on a page that is for everybody."""
    page = await visit(Role.EDITOR)
    await page.goto("/mailboxes/new/email")
    await fill_in(page, values)
    await try_out(page, code)
    await look(page)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"imap.host": "no-such-host.invalid"}, "IMAP_HOST_UNKNOWN"),
        ({"imap.port": 0}, "IMAP_NOT_REACHABLE"),
        ({"imap.caFile": ""}, "IMAP_CERTIFICATE_NOT_TRUSTED"),
        ({"imap.folder": "No such folder"}, "IMAP_FOLDER_MISSING"),
        ({"basic.password": secret("not it")}, "IMAP_AUTH_DENIED"),
    ],
    ids=["resolve", "connect", "tls", "folder", "authenticate"],
)
async def test_a_step_of_imap(
    console: Console, visit: Visit, assert_accessible: Look, dovecot: Dovecot, wrong: dict[str, Any], code: str
) -> None:
    if "imap.port" in wrong:
        wrong = {"imap.port": free_port()}
    await shown(visit, assert_accessible, at(dovecot, **wrong), code)


async def test_the_wrong_kind_of_encryption_on_either_port(
    console: Console, visit: Visit, assert_accessible: Look, dovecot: Dovecot
) -> None:
    page = await visit(Role.EDITOR)
    await page.goto("/mailboxes/new/email")
    await fill_in(page, at(dovecot, **{"imap.port": dovecot.starttls_port}))
    await try_out(page, "IMAP_TLS_ON_PLAIN_PORT")
    again = {"basic.password": USERS[USER], "imap.port": dovecot.tls_port, "imap.encryption": "starttls"}
    await fill_in(page, again)
    await try_out(page, "IMAP_NO_ANSWER")
    await fill_in(page, {**again, "imap.port": dovecot.starttls_port})
    await try_out(page, "")


async def test_a_server_that_turns_us_away(console: Console, visit: Visit, assert_accessible: Look) -> None:
    async with scripted_server(b"* BYE Too many connections\r\n") as port:
        values = new_mailbox(USER, USERS[USER], port, "", **{"imap.encryption": "starttls"})
        await shown(visit, assert_accessible, values, "IMAP_TURNED_AWAY")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"expired": True}, "IMAP_CERTIFICATE_EXPIRED"),
        ({"host": "mail.other.example"}, "IMAP_CERTIFICATE_WRONG_HOST"),
        ({"self_signed": True}, "IMAP_CERTIFICATE_SELF_SIGNED"),
    ],
)
async def test_a_certificate(
    console: Console, visit: Visit, assert_accessible: Look, tmp_path: Path, fault: dict[str, Any], code: str
) -> None:
    files = make(tmp_path / "tls", **fault)
    extra = f"ssl_cert = <{files.certificate}\nssl_key = <{files.key}"
    async with ShortLived(tmp_path / "d", USERS, extra=extra) as server:
        await shown(visit, assert_accessible, at(server, **{"imap.caFile": files.ca_file}), code)


async def test_every_step_of_smtp_until_all_is_well(
    console: Console, visit: Visit, assert_accessible: Look, dovecot: Dovecot, tmp_path: Path
) -> None:
    files = make(tmp_path / "smtp")
    context = server_context(files.certificate, files.key)
    async with smtp_server(context, USER, USERS[USER], implicit=True) as port:
        right = {"smtp.host": "localhost", "smtp.port": port, "smtp.caFile": files.ca_file}
        page = await visit(Role.EDITOR)
        await page.goto("/mailboxes/new/email")
        await fill_in(page, at(dovecot, **{"acknowledgements.enabled": True, "smtp.host": "no-such-host.invalid"}))
        await try_out(page, "SMTP_HOST_UNKNOWN")
        await fill_in(page, {**right, "smtp.port": free_port()})
        await try_out(page, "SMTP_NOT_REACHABLE")
        await fill_in(page, {**right, "smtp.caFile": ""})
        await try_out(page, "SMTP_CERTIFICATE_NOT_TRUSTED")
        await fill_in(page, {**right, "smtp.username": USER, "smtp.password": secret("not it")})
        await try_out(page, "SMTP_AUTH_DENIED")
        await assert_accessible(page)
        await fill_in(page, {"smtp.password": USERS[USER]})
        await try_out(page, "")
