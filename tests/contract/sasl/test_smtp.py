"""Signing in to SMTP (RFC 4954) by each mechanism, at a real SMTP server."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.console.probe.steps import Chain
from tests.contract.sasl.conftest import Signed, checklist, mailbox_of, signed
from tests.support.bad_certificates import make
from tests.support.ntlm import ntlm_users
from tests.support.smtp import NtlmSink, server_context, smtp_server

DOMAIN, UPN = "CORP\\ann", "ben@corp.example"
USERS = {DOMAIN: "correct horse", UPN: "pä:ss 100%"}


@asynccontextmanager
async def smtp_at(
    folder: Path, user: str, password: str, *, starttls: bool = False, without: Sequence[str] = (), handler: Any = None
) -> AsyncIterator[dict[str, Any]]:
    """A running SMTP server, as a mailbox names it."""
    files = make(folder / "smtp")
    context = server_context(files.certificate, files.key)
    with ntlm_users(USERS, files.certificate):
        async with smtp_server(
            context, user, password, implicit=not starttls, without=without, handler=handler
        ) as port:
            encryption = "starttls" if starttls else "implicit_tls"
            yield {"host": "localhost", "port": port, "encryption": encryption, "ca_file": str(files.ca_file)}


async def smtp_chain(smtp: dict[str, Any], user: str, password: str, kind: Any = "exchange") -> Signed:
    """The SMTP chain of a test."""
    mailbox = mailbox_of({"host": "no.invalid"}, user, password, kind=kind, smtp=smtp)
    return signed(await checklist(mailbox), Chain.SMTP)


@pytest.mark.parametrize("starttls", [True, False])
@pytest.mark.parametrize("user", list(USERS))
async def test_exchange_signs_in_by_ntlm_bound_to_the_certificate(tmp_path: Path, user: str, starttls: bool) -> None:
    sink = NtlmSink()
    async with smtp_at(tmp_path, user, "another", starttls=starttls, handler=sink) as smtp:
        result = await smtp_chain(smtp, user, USERS[user])
    assert (result.code, sink.let_in) == ("", [user])
    assert "with NTLM." in result.text


async def test_a_wrong_password_is_refused_and_the_remedy_names_both_forms(tmp_path: Path) -> None:
    sink = NtlmSink()
    async with smtp_at(tmp_path, DOMAIN, USERS[DOMAIN], handler=sink) as smtp:
        result = await smtp_chain(smtp, DOMAIN, "canary-88a1")
    assert (result.code, sink.let_in) == ("SMTP_AUTH_DENIED", [])
    assert "DOMAIN\\user" in result.text and "user@domain (UPN)" in result.text
    assert "canary-88a1" not in result.text


@pytest.mark.parametrize(
    ("handler", "without", "used"),
    [(None, (), "PLAIN"), (None, ("PLAIN",), "LOGIN"), (NtlmSink(broken=True), (), "PLAIN")],
)
async def test_without_an_ntlm_that_works_plain_and_then_login_are_used(
    tmp_path: Path, handler: Any, without: Sequence[str], used: str
) -> None:
    async with smtp_at(tmp_path, DOMAIN, USERS[DOMAIN], without=without, handler=handler) as smtp:
        result = await smtp_chain(smtp, DOMAIN, USERS[DOMAIN])
    assert result.code == ""
    assert f"with {used}." in result.text
    assert ("offers NTLM, which does not work" in result.text) is (handler is not None)


async def test_a_basic_mailbox_never_uses_ntlm(tmp_path: Path) -> None:
    sink = NtlmSink()
    async with smtp_at(tmp_path, DOMAIN, USERS[DOMAIN], handler=sink) as smtp:
        assert "with PLAIN." in (await smtp_chain(smtp, DOMAIN, USERS[DOMAIN], "basic")).text
    assert sink.let_in == []


@pytest.mark.parametrize("without", [(), ("PLAIN",)])
@pytest.mark.parametrize(
    "password", ["0123456789" * 20, "ß☃é\\" * 50, ' "quotes" \\ %s ', "two\r\nlines", "{12}", "*", "="]
)
async def test_any_password_signs_in_however_long(tmp_path: Path, without: Sequence[str], password: str) -> None:
    """A long one does not fit into the AUTH command, and follows it."""
    async with smtp_at(tmp_path, 'DESK\\"ann" ö', password, without=without) as smtp:
        assert (await smtp_chain(smtp, 'DESK\\"ann" ö', password, "basic")).code == ""
        assert (await smtp_chain(smtp, 'DESK\\"ann" ö', password + "x", "basic")).code == "SMTP_AUTH_DENIED"
