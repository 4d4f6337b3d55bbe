"""Each way in which SMTP can fail, at a real SMTP server: the step is named, and what to do. IMAP is tested before."""

import socket
from contextlib import asynccontextmanager

import pytest

from tests.contract.probe.conftest import PASSWORD, USER, imap_at, mailbox_at
from tests.support.bad_certificates import make
from tests.support.canary import secret
from tests.support.smtp import scripted_server, server_context, smtp_server


@asynccontextmanager
async def smtp_at(folder, *, starttls=False, user=USER, password=PASSWORD, tls=True, without=(), **fault):
    """A running SMTP server, as a mailbox names it."""
    files = make(folder, **fault)
    context = server_context(files.certificate, files.key) if tls else None
    async with smtp_server(context, user, password, implicit=not starttls, without=without) as port:
        encryption = "starttls" if starttls else "implicit_tls"
        yield {"host": "localhost", "port": port, "encryption": encryption, "ca_file": str(files.ca_file)}


@pytest.mark.parametrize("starttls", [False, True])
@pytest.mark.parametrize("without", [(), ("PLAIN",)])
async def test_a_mailbox_that_works_passes_both_chains(dovecot, tmp_path, check, starttls, without):
    async with smtp_at(tmp_path, starttls=starttls, without=without) as smtp:
        results = await check(mailbox_at(imap_at(dovecot), smtp))
    steps = ["greeting", "tls"] if starttls else ["tls", "greeting"]
    assert results.names("smtp") == ("resolve", "connect", *steps, "ehlo", "authenticate")
    assert results.names("imap")[-1] == "folder"


async def test_credentials_of_its_own_are_used_for_smtp(tmp_path, check):
    async with smtp_at(tmp_path, user="relay", password=secret("other")) as smtp:
        results = await check(
            mailbox_at({"host": "no.invalid"}, {**smtp, "username": "relay", "password": secret("other")})
        )
    assert results.names("smtp")[-1] == "authenticate", "SMTP is tested although IMAP failed"
    assert results.why("imap") == ("resolve", "IMAP_HOST_UNKNOWN")


async def test_a_wrong_smtp_password(tmp_path, check):
    async with smtp_at(tmp_path, starttls=True) as smtp:
        results = await check(mailbox_at({"host": "no.invalid"}, smtp, password=secret("3c9")))
    assert results.why("smtp") == ("authenticate", "SMTP_AUTH_DENIED")


async def test_smtp_that_nobody_listens_at_and_a_host_that_is_none(check):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        smtp = {"host": "localhost", "port": closed.getsockname()[1]}
        results = await check(mailbox_at({"host": "no.invalid"}, smtp))
    assert results.why("smtp") == ("connect", "SMTP_NOT_REACHABLE")
    results = await check(mailbox_at({"host": "no.invalid"}, {"host": "no.invalid"}))
    assert results.why("smtp") == ("resolve", "SMTP_HOST_UNKNOWN")


async def test_smtp_that_turns_us_away(check):
    async with scripted_server(b"554-blocked\r\n554 5.7.1 see our list\r\n") as port:
        smtp = {"host": "localhost", "port": port, "encryption": "starttls"}
        results = await check(mailbox_at({"host": "no.invalid"}, smtp))
    assert results.why("smtp") == ("greeting", "SMTP_TURNED_AWAY")
    assert "see our list" in results.failed("smtp").sentence


@pytest.mark.parametrize("starttls", [False, True])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"expired": True}, "SMTP_CERTIFICATE_EXPIRED"),
        ({"host": "mail.other.example"}, "SMTP_CERTIFICATE_WRONG_HOST"),
        ({"self_signed": True}, "SMTP_CERTIFICATE_SELF_SIGNED"),
    ],
)
async def test_a_certificate_with_a_fault(tmp_path, check, starttls, fault, code):
    async with smtp_at(tmp_path, starttls=starttls, **fault) as smtp:
        results = await check(mailbox_at({"host": "no.invalid"}, smtp))
    assert results.why("smtp") == ("tls", code)


async def test_a_plain_smtp_port_taken_for_tls_and_starttls_that_is_not_offered(tmp_path, check):
    async with smtp_at(tmp_path, starttls=True, tls=False) as smtp:
        implicit = await check(mailbox_at({"host": "no.invalid"}, {**smtp, "encryption": "implicit_tls"}))
        starttls = await check(mailbox_at({"host": "no.invalid"}, smtp))
    assert implicit.why("smtp") == ("tls", "SMTP_TLS_ON_PLAIN_PORT")
    assert starttls.why("smtp") == ("tls", "SMTP_STARTTLS_NOT_OFFERED")


async def test_smtp_without_any_way_to_sign_in(tmp_path, check):
    async with smtp_at(tmp_path, without=("PLAIN", "LOGIN")) as smtp:
        results = await check(mailbox_at({"host": "no.invalid"}, smtp))
    assert results.why("smtp") == ("authenticate", "SMTP_AUTH_NOT_OFFERED")


async def test_an_imap_server_where_smtp_should_be(dovecot, check):
    smtp = {**imap_at(dovecot), "port": dovecot.tls_port}
    results = await check(mailbox_at({"host": "no.invalid"}, smtp))
    assert results.why("smtp") == ("greeting", "SMTP_NOT_SMTP")
