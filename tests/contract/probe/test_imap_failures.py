"""Each way in which IMAP can fail, at a real Dovecot: the step is named, and what to do."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest

from services.console.probe.addresses import Rules
from tests.contract.probe.conftest import imap_at, mailbox_at
from tests.support.bad_certificates import make
from tests.support.canary import secret
from tests.support.dovecot import USERS, ShortLived
from tests.support.smtp import scripted_server, server_context


@pytest.mark.parametrize("starttls", [False, True])
async def test_a_mailbox_that_works_passes_every_step_and_is_not_changed(dovecot, check, starttls):
    path = dovecot.deliver("support@desk.example", b"Subject: x\r\n\r\nx\r\n")
    results = await check(mailbox_at(imap_at(dovecot, starttls=starttls)))
    steps = ["tls", "greeting"] if not starttls else ["greeting", "tls"]
    assert results.names("imap") == ("resolve", "connect", *steps, "capabilities", "authenticate", "folder")
    assert "holds 1 mail (UIDVALIDITY" in results[-1].sentence
    tls = next(one for one in results if one.name == "tls")
    assert "TLSv1." in tls.sentence and "certificate for localhost" in tls.sentence and "valid until" in tls.sentence
    assert path.exists(), "the mail is still new"


@pytest.mark.parametrize("password", ["wörd \"with\" \\ and 'quotes'", " spaces ", "{12}", "%s&+é日本"])
@pytest.mark.parametrize("mechanisms", ["plain", "login"])
async def test_any_password_signs_in_with_a_separate_user_name(tmp_path, check, password, mechanisms):
    extra = "" if mechanisms == "plain" else "auth_mechanisms = login"
    async with ShortLived(tmp_path / "d", {'corp\\ann "x"': password}, extra=extra) as server:
        results = await check(mailbox_at(imap_at(server), password=password, user='corp\\ann "x"'))
    assert "folder" in results.names("imap")


async def test_an_unknown_host(check):
    results = await check(mailbox_at({"host": "no-such-host.invalid"}))
    assert results.why() == ("resolve", "IMAP_HOST_UNKNOWN")


@pytest.mark.row(82)
async def test_a_refused_port_and_a_filtered_one_read_the_same(check):
    with socket.socket() as closed, socket.socket() as full, contextlib.ExitStack() as stack:
        closed.bind(("127.0.0.1", 0))
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # the queue of a listener that accepts nobody: further packets are dropped
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        refused, filtered = [
            (await check(mailbox_at({"host": "localhost", "port": one.getsockname()[1]}))).failed()
            for one in (closed, full)
        ]
        hidden = Rules(allow_loopback=True, hide_refusals=True)
        slow = (await check(mailbox_at({"host": "localhost", "port": closed.getsockname()[1]}), hidden)).failed()
    assert (refused.name, refused.code) == ("connect", "IMAP_NOT_REACHABLE") == (filtered.name, filtered.code)
    assert refused.milliseconds < 1000
    assert 4500 < filtered.milliseconds < 7000
    assert abs(slow.milliseconds - filtered.milliseconds) < 500, "closed takes as long as filtered where it must"
    assert refused.remedy == filtered.remedy == slow.remedy


@pytest.mark.parametrize("starttls", [False, True])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"expired": True}, "IMAP_CERTIFICATE_EXPIRED"),
        ({"host": "mail.other.example"}, "IMAP_CERTIFICATE_WRONG_HOST"),
        ({"self_signed": True}, "IMAP_CERTIFICATE_SELF_SIGNED"),
    ],
)
@pytest.mark.row(80)
async def test_a_certificate_with_a_fault_is_refused_and_the_fault_is_named(tmp_path, check, fault, code, starttls):
    files = make(tmp_path / "tls", **fault)
    extra = f"ssl_cert = <{files.certificate}\nssl_key = <{files.key}"
    async with ShortLived(tmp_path / "d", {"support@desk.example": "x"}, extra=extra) as server:
        results = await check(mailbox_at(imap_at(server, starttls=starttls, ca_file=str(files.ca_file))))
        assert results.why() == ("tls", code)
        assert "Login" not in server.log_file.read_text(), "nobody tried to sign in"


async def test_an_authority_that_nobody_trusts(dovecot, check):
    results = await check(mailbox_at(imap_at(dovecot, ca_file=None)))
    assert results.why() == ("tls", "IMAP_CERTIFICATE_NOT_TRUSTED")
    results = await check(mailbox_at(imap_at(dovecot, ca_file=str(dovecot.log_file))))
    assert results.why() == ("tls", "IMAP_CA_FILE_UNREADABLE")


async def test_a_plain_port_taken_for_tls(dovecot, check):
    results = await check(mailbox_at(imap_at(dovecot, port=dovecot.starttls_port)))
    assert results.why() == ("tls", "IMAP_TLS_ON_PLAIN_PORT")
    assert "starttls" in results.failed().remedy


async def test_a_tls_port_taken_for_starttls(dovecot, check):
    results = await check(mailbox_at(imap_at(dovecot, starttls=True, port=dovecot.tls_port)), total_seconds=2)
    assert results.why() == ("greeting", "IMAP_NO_ANSWER")
    assert "SSL" in results.failed().remedy


async def test_starttls_that_is_not_offered(tmp_path, check):
    extra = "ssl = no\nservice imap-login {\n inet_listener imaps {\n ssl = no\n }\n}"
    async with ShortLived(tmp_path / "d", USERS, extra=extra) as server:
        results = await check(mailbox_at({**imap_at(server), "port": server.starttls_port, "encryption": "starttls"}))
        assert results.why() == ("tls", "IMAP_STARTTLS_NOT_OFFERED")
        assert "Login" not in server.log_file.read_text(), "the password did not go out in clear text"


async def test_a_wrong_password(dovecot, check):
    results = await check(mailbox_at(imap_at(dovecot), password=secret("1b7f")))
    assert results.why() == ("authenticate", "IMAP_AUTH_DENIED")
    assert "app password" in results.failed().remedy


async def test_a_missing_folder_lists_those_that_exist(dovecot, check):
    dovecot.deliver("support@desk.example", b"Subject: x\r\n\r\nx\r\n", "Entw&APw-rfe")
    dovecot.deliver("support@desk.example", b"Subject: x\r\n\r\nx\r\n", "Helpdesk")
    results = await check(mailbox_at(imap_at(dovecot, folder="HelpDesk")))
    assert results.why() == ("folder", "IMAP_FOLDER_MISSING")
    assert 'Did you mean "Helpdesk"?' in results.failed().remedy
    assert "Entwürfe, Helpdesk, INBOX" in results.failed().remedy
    assert "folder" in (await check(mailbox_at(imap_at(dovecot, folder="Entwürfe")))).names("imap")


async def test_too_many_connections_are_told_from_a_wrong_password(check):
    async with scripted_server(b"* BYE Too many connections\r\n") as port:
        results = await check(mailbox_at({"host": "localhost", "port": port, "encryption": "starttls"}))
    assert results.why() == ("greeting", "IMAP_TURNED_AWAY")


async def test_another_kind_of_server_is_said_with_its_words_escaped(check):
    async with scripted_server(b"220 \x1b[31m" + b"x" * 500 + b"\r\n") as port:
        results = await check(mailbox_at({"host": "localhost", "port": port, "encryption": "starttls"}))
    assert results.why() == ("greeting", "IMAP_NOT_IMAP")
    assert "\x1b" not in results.failed().sentence and "\\x1b" in results.failed().sentence
    assert len(results.failed().sentence) < 300


@pytest.mark.row(80)
async def test_a_greeting_that_signs_in_before_tls_is_refused(check):
    async with scripted_server(b"* PREAUTH hello\r\n") as port:
        results = await check(mailbox_at({"host": "localhost", "port": port, "encryption": "starttls"}))
    assert results.why() == ("greeting", "IMAP_PREAUTH_BEFORE_TLS")


@pytest.mark.row(80)
async def test_clear_text_behind_starttls_is_refused(check):
    async with scripted_server(b"* OK hello\r\n", b"%TAG% OK go\r\n* CAPABILITY AUTH=EVIL\r\n") as port:
        results = await check(mailbox_at({"host": "localhost", "port": port, "encryption": "starttls"}))
    assert results.why() == ("tls", "IMAP_STARTTLS_INJECTION")


@pytest.mark.parametrize("flood", [b"* " + b"x" * 300_000, b"* OK x\r\n" * 40_000])
@pytest.mark.row(75)
async def test_a_server_that_never_stops_talking_is_cut_off(tmp_path, check, flood):
    files = make(tmp_path)
    async with scripted_server(b"* OK hi\r\n", flood, tls=server_context(files.certificate, files.key)) as port:
        results = await check(mailbox_at({"host": "localhost", "port": port, "ca_file": str(files.ca_file)}))
    assert results.failed().name == "capabilities"
    assert results.failed().code in ("IMAP_ANSWER_TOO_LONG", "IMAP_CONNECTION_LOST")


async def test_a_server_that_repeats_the_password_does_not_get_it_shown(tmp_path, check):
    files = make(tmp_path)
    answers = (b"* CAPABILITY IMAP4rev1\r\n%TAG% OK done\r\n", b"%TAG% NO you said %LINE%\r\n")
    async with scripted_server(b"* OK hi\r\n", *answers, tls=server_context(files.certificate, files.key)) as port:
        mailbox = mailbox_at({"host": "localhost", "port": port, "ca_file": str(files.ca_file)}, password=secret("77"))
        results = await check(mailbox)
    assert results.why() == ("authenticate", "IMAP_AUTH_DENIED")
    assert "you said" in results.failed().sentence and "***" in results.failed().sentence


async def test_the_whole_test_has_a_limit(tmp_path, check):
    async with scripted_server(b"") as port:
        results = await check(
            mailbox_at({"host": "localhost", "port": port, "encryption": "starttls"}), total_seconds=0.5
        )
    assert results.why() == ("greeting", "IMAP_NO_ANSWER")
    assert results.failed().milliseconds < 1500


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "169.254.169.254"])
@pytest.mark.row(82)
async def test_an_address_of_this_machine_or_its_network_is_not_reached_in_any_spelling(dovecot, check, host):
    results = await check(mailbox_at(imap_at(dovecot, host=host)), Rules())
    assert results.why() == ("resolve", "IMAP_ADDRESS_NOT_ALLOWED")


@pytest.mark.row(82)
async def test_a_port_that_is_none_of_mail_is_not_reached(check):
    rules = Rules(allow_networks=(ip_network("127.0.0.0/8"),))
    results = await check(mailbox_at({"host": "127.0.0.1", "port": 6379}), rules)
    assert results.why() == ("connect", "IMAP_PORT_NOT_ALLOWED")


ALLOWED, INNER = "127.0.0.2", "127.0.0.1"
"""What stands here for a public address, and an address of this machine."""


@asynccontextmanager
async def _listening():
    """One port at both addresses; the connections that each has got."""
    seen: list[str] = []

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("sockname")[0])
        writer.close()

    async with await asyncio.start_server(hang_up, ALLOWED, 0) as first:
        port = first.sockets[0].getsockname()[1]
        async with await asyncio.start_server(hang_up, INNER, port):
            yield port, seen


def _resolver(answers: Iterator[list[str]]):
    """The system's resolver, but each question is answered anew."""

    async def getaddrinfo(_host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in next(answers)]

    return getaddrinfo


@pytest.mark.row(82)
async def test_a_name_that_leads_elsewhere_when_it_is_asked_again_is_reached_where_it_was_checked(check, monkeypatch):
    async with _listening() as (port, seen):
        answers = iter([[ALLOWED], *[[INNER]] * 9])
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", _resolver(answers))
        rules = Rules(allow_networks=(ip_network(f"{ALLOWED}/32"),), ports=frozenset({port}), hide_refusals=False)
        server = {"host": "rebinding.example", "port": port}
        results = await check(mailbox_at(server, smtp=server), rules)
    assert results.why("imap")[0] == "tls", "it was connected"
    assert results.why("smtp") == ("resolve", "SMTP_ADDRESS_NOT_ALLOWED"), "asked for the second time"
    assert seen == [ALLOWED]


@pytest.mark.row(82)
async def test_a_name_with_one_address_that_is_not_allowed_is_not_reached_at_any(check, monkeypatch):
    async with _listening() as (port, seen):
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", _resolver(iter([[ALLOWED, INNER]])))
        rules = Rules(allow_networks=(ip_network(f"{ALLOWED}/32"),), ports=frozenset({port}), hide_refusals=False)
        results = await check(mailbox_at({"host": "rebinding.example", "port": port}), rules)
    assert results.why() == ("resolve", "IMAP_ADDRESS_NOT_ALLOWED")
    assert seen == []
