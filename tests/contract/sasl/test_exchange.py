"""On-premises Exchange over IMAP, by the fetcher and by the connection test: against a real Dovecot that offers NTLM.

Dovecot asks a helper of ours (pyspnego's acceptor) as it asks Samba's.
"""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from services.all_in_one.demo.dovecot import Dovecot
from tests.contract.sasl.conftest import DOORS, by_probe, mailbox_of, methods, tls_at
from tests.support.bad_certificates import make
from tests.support.between import Between, Rewrite, as_it_is, between
from tests.support.dovecot import ShortLived
from tests.support.ntlm import ntlm_dovecot
from tests.support.smtp import server_context

DOMAIN, UPN = "CORP\\ann", "ben@corp.example"
USERS = {DOMAIN: "correct horse", UPN: "pä:ss 100%"}


class Exchange(NamedTuple):
    """How a mailbox reaches it, the server itself, and who hears what it is told over TLS."""

    imap: dict[str, Any]
    server: Dovecot
    wire: Between


@asynccontextmanager
async def exchange(
    folder: Path, mechanisms: str = "ntlm plain login", *, rewrite: Rewrite = as_it_is, more: str = ""
) -> AsyncIterator[Exchange]:
    """A mail server that knows USERS by NTLM and by their passwords, behind TLS of its own."""
    files = make(folder / "tls")
    with ntlm_dovecot(USERS, mechanisms=mechanisms) as extra:
        async with ShortLived(folder / "d", USERS, extra=extra + more) as server:
            context = server_context(files.certificate, files.key)
            async with between(server.starttls_port, tls=context, rewrite=rewrite) as wire:
                imap = {"host": "localhost", "port": wire.port, "ca_file": str(files.ca_file)}
                yield Exchange(imap, server, wire)


async def test_ntlm_signs_in_domain_users_and_upns_over_both_kinds_of_tls(tmp_path: Path) -> None:
    with ntlm_dovecot(USERS) as extra:
        async with ShortLived(tmp_path / "d", {}, extra=extra) as server:
            implicit = tls_at(server)
            starttls = tls_at(server, encryption="starttls", port=server.starttls_port)
            for imap in (implicit, starttls):
                for user, password in USERS.items():
                    for door in DOORS:
                        result = await door(mailbox_of(imap, user, password))
                        assert (result.code, methods(server)[-1]) == ("", "NTLM")
                        assert door is not by_probe or f"Signed in as {user} with NTLM." in result.text
            assert len(methods(server)) == 8


@pytest.mark.parametrize("user", list(USERS))
async def test_a_wrong_password_is_refused_once_and_the_remedy_names_both_forms(tmp_path: Path, user: str) -> None:
    async with exchange(tmp_path) as made:
        results = [await door(mailbox_of(made.imap, user, "canary-2f81")) for door in DOORS]
    log = made.server.log_file.read_text()
    assert log.count("user not authenticated") == len(DOORS), "a second try would bring a lock-out closer"
    assert "passwd-file" not in log
    assert [one.code for one in results] == ["authentication_rejected", "IMAP_AUTH_DENIED"]
    for result in results:
        assert "DOMAIN\\user" in result.text and "user@domain (UPN)" in result.text
        assert "canary-2f81" not in result.text


@pytest.mark.parametrize(
    ("mechanisms", "used"), [("plain login ntlm", "NTLM"), ("login plain", "PLAIN"), ("login", "LOGIN")]
)
@pytest.mark.parametrize("sasl_ir", [True, False])
async def test_the_strongest_that_is_offered_is_used_with_and_without_an_initial_response(
    tmp_path: Path, mechanisms: str, used: str, sasl_ir: bool
) -> None:
    def say(line: bytes) -> bytes:
        return line if sasl_ir else line.replace(b" SASL-IR", b"")

    async with exchange(tmp_path, mechanisms, rewrite=say) as made:
        results = [await door(mailbox_of(made.imap, DOMAIN, USERS[DOMAIN])) for door in DOORS]
        assert methods(made.server) == [used] * len(DOORS)
    assert [one.code for one in results] == ["", ""]
    assert f"with {used}." in results[-1].text
    command = f"AUTHENTICATE {used}".encode()
    lines = [one for one in bytes(made.wire.heard).split(b"\r\n") if command in one]
    with_command = [not line.endswith(command) for line in lines]
    assert with_command == [sasl_ir and used != "LOGIN"] * len(DOORS)


async def test_a_server_without_sasl_gets_the_login_command(tmp_path: Path) -> None:
    async with exchange(tmp_path, "plain", rewrite=lambda line: line.replace(b"AUTH=", b"X-")) as made:
        results = [await door(mailbox_of(made.imap, DOMAIN, USERS[DOMAIN])) for door in DOORS]
    assert [one.code for one in results] == ["", ""]
    assert made.wire.heard.count(b' LOGIN "CORP\\\\ann" "correct horse"\r\n') == len(DOORS)
    assert "with the LOGIN command" in results[-1].text


@pytest.mark.parametrize("kind", ["exchange", "basic"])
@pytest.mark.row(80)
async def test_a_server_that_offers_neither_sasl_nor_login_gets_no_password(tmp_path: Path, kind: str) -> None:
    def say(line: bytes) -> bytes:
        return line.replace(b"AUTH=PLAIN", b"AUTH=GSSAPI LOGINDISABLED")

    async with exchange(tmp_path, "plain", rewrite=say) as made:
        results = [await door(mailbox_of(made.imap, DOMAIN, USERS[DOMAIN], kind=kind)) for door in DOORS]
    assert [one.code for one in results] == ["no_common_mechanism", "IMAP_NO_COMMON_MECHANISM"]
    assert [line.split()[1] for line in bytes(made.wire.heard).splitlines()] == [b"CAPABILITY"] * len(DOORS)


async def test_a_basic_mailbox_never_uses_ntlm(tmp_path: Path) -> None:
    async with exchange(tmp_path) as made:
        for door in DOORS:
            assert (await door(mailbox_of(made.imap, DOMAIN, USERS[DOMAIN], kind="basic"))).code == ""
        assert methods(made.server) == ["PLAIN"] * len(DOORS)


def no_challenge(line: bytes) -> bytes:
    """Something that is no NTLM instead of the challenge."""
    return b"+ AAAA\r\n" if line.startswith(b"+ TlRM") else line


def prose(line: bytes) -> bytes:
    """Something that is no base64 instead of the challenge, and no initial response."""
    return b"+ what?\r\n" if line.startswith(b"+ TlRM") else line.replace(b" SASL-IR", b"")


@pytest.mark.parametrize(
    ("rewrite", "more"),
    [(as_it_is, "auth_winbind_helper_path = /bin/false\n"), (no_challenge, ""), (prose, "")],
    ids=["a helper that does nothing", "no challenge", "prose"],
)
async def test_ntlm_that_is_offered_and_does_not_work_is_passed_over_and_named(
    tmp_path: Path, rewrite: Rewrite, more: str
) -> None:
    """It has not judged the password, and PLAIN goes to the same verified server."""
    async with exchange(tmp_path, rewrite=rewrite, more=more) as made:
        results = [await door(mailbox_of(made.imap, DOMAIN, USERS[DOMAIN])) for door in DOORS]
        assert methods(made.server) == ["PLAIN"] * len(DOORS)
    assert [one.code for one in results] == ["", ""]
    assert "with PLAIN. The server also offers NTLM, which does not work there." in results[-1].text


async def test_ntlm_alone_that_does_not_work_is_a_refusal_and_gives_no_password_away(tmp_path: Path) -> None:
    def say(line: bytes) -> bytes:
        return no_challenge(line.replace(b"AUTH=PLAIN AUTH=LOGIN", b"LOGINDISABLED"))

    async with exchange(tmp_path, rewrite=say) as made:
        results = [await door(mailbox_of(made.imap, DOMAIN, USERS[DOMAIN])) for door in DOORS]
    assert [one.code for one in results] == ["authentication_rejected", "IMAP_AUTH_DENIED"]
    assert made.wire.heard.count(b"\r\n*\r\n") == len(DOORS), "the exchange was cancelled"
    assert b"correct horse" not in plainly(made.wire.heard)


async def test_the_password_never_leaves_us_with_ntlm(tmp_path: Path) -> None:
    async with exchange(tmp_path) as made:
        for door in DOORS:
            assert (await door(mailbox_of(made.imap, DOMAIN, USERS[DOMAIN]))).code == ""
    heard = plainly(made.wire.heard)
    assert "ann".encode("utf-16-le") in heard, "this is what NTLM says"
    assert b"correct horse" not in heard and "correct horse".encode("utf-16-le") not in heard


async def test_extended_protection_lets_the_verified_server_in_and_no_other(tmp_path: Path) -> None:
    """The helper wants the sign-in bound to a certificate: the server's own, then one of somebody in between."""
    here, elsewhere = make(tmp_path / "here"), make(tmp_path / "elsewhere")
    tls = f"ssl_cert = <{here.certificate}\nssl_key = <{here.key}\n"
    for bound, codes in ((here, ["", ""]), (elsewhere, ["authentication_rejected", "IMAP_AUTH_DENIED"])):
        with ntlm_dovecot(USERS, bound.certificate) as extra:
            async with ShortLived(tmp_path / f"d-{bound.ca_file.parent.name}", {}, extra=extra + tls) as server:
                imap = tls_at(server, ca_file=str(here.ca_file))
                results = [await door(mailbox_of(imap, DOMAIN, USERS[DOMAIN])) for door in DOORS]
                assert [one.code for one in results] == codes
    assert all("Extended Protection" in one.text for one in results)


def plainly(heard: bytearray) -> bytes:
    """What was heard, and what its base64 means."""
    return bytes(heard) + b" ".join(map(_decoded, bytes(heard).split()))


def _decoded(word: bytes) -> bytes:
    try:
        return base64.b64decode(word, validate=True)
    except ValueError:
        return b""
