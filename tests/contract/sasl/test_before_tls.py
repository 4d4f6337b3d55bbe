"""What goes out before TLS: nothing that tells who we are. A listener on the wire hears all of it."""

import base64
import itertools
from pathlib import Path
from typing import Any

import pytest

from services.console.probe.steps import Chain
from tests.contract.sasl.conftest import DOORS, by_fetcher, by_probe, checklist, mailbox_of, signed, tls_at
from tests.support.bad_certificates import make
from tests.support.between import between
from tests.support.dovecot import ShortLived
from tests.support.ntlm import ntlm_dovecot
from tests.support.smtp import NtlmSink, server_context, smtp_server

USER, PASSWORD = "CORP\\ann", "canary-7d3e"
HANDSHAKE = b"\x16\x03"
"""How a TLS connection begins: a handshake record (RFC 8446 section 5.1)."""
CLEAR = "ssl = no\nservice imap-login {\n inet_listener imaps {\n ssl = no\n }\n}\n"


def silent_about_us(heard: bytes) -> bool:
    """Whether neither user nor password can be found, in clear or in base64 at any offset."""
    for word, shift in itertools.product((USER, "ann", PASSWORD), range(3)):
        packed = base64.b64encode(b"x" * shift + word.encode())[4:-4]
        if word.encode() in heard or (len(packed) > 3 and packed in heard):
            return False
    return True


@pytest.mark.parametrize("mechanisms", ["ntlm plain login", "plain", "login"])
@pytest.mark.row(80)
async def test_imap_with_starttls_says_starttls_and_then_only_tls(tmp_path: Path, mechanisms: str) -> None:
    with ntlm_dovecot({USER: PASSWORD}, mechanisms=mechanisms) as extra:
        async with ShortLived(tmp_path / "d", {USER: PASSWORD}, extra=extra) as server:
            for door in DOORS:
                async with between(server.starttls_port) as wire:
                    imap = tls_at(server, port=wire.port, encryption="starttls")
                    assert (await door(mailbox_of(imap, USER, PASSWORD))).code == ""
                clear, _, rest = bytes(wire.heard).partition(b"\r\n")
                assert clear.split(b" ")[1:] == [b"STARTTLS"]
                assert rest.startswith(HANDSHAKE) and silent_about_us(rest)


async def test_imap_with_implicit_tls_says_nothing_but_tls(tmp_path: Path) -> None:
    async with ShortLived(tmp_path / "d", {USER: PASSWORD}) as server:
        for door in DOORS:
            async with between(server.tls_port) as wire:
                assert (await door(mailbox_of(tls_at(server, port=wire.port), USER, PASSWORD))).code == ""
            assert wire.heard.startswith(HANDSHAKE) and silent_about_us(wire.heard)


@pytest.mark.parametrize("kind", ["exchange", "basic"])
@pytest.mark.row(80)
async def test_an_imap_server_without_tls_hears_nothing_about_us(tmp_path: Path, kind: str) -> None:
    """It would take the password in clear text, by any mechanism and by LOGIN."""
    with ntlm_dovecot({USER: PASSWORD}) as extra:
        async with ShortLived(tmp_path / "d", {USER: PASSWORD}, extra=extra + CLEAR) as server:
            for door in DOORS:
                for encryption in ("starttls", "implicit_tls"):
                    async with between(server.starttls_port) as wire:
                        imap = tls_at(server, port=wire.port, encryption=encryption)
                        assert (await door(mailbox_of(imap, USER, PASSWORD, kind=kind))).code
                    assert silent_about_us(wire.heard)
                    assert wire.heard.startswith(HANDSHAKE) or wire.heard.split()[1:2] == [b"STARTTLS"]


@pytest.mark.row(80)
async def test_a_certificate_that_does_not_verify_ends_it_before_anything_is_said(tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    async with ShortLived(tmp_path / "d", {USER: PASSWORD}) as server:
        for door, encryption in itertools.product((by_fetcher, by_probe), ("starttls", "implicit_tls")):
            port = server.starttls_port if encryption == "starttls" else server.tls_port
            imap = tls_at(server, port=port, encryption=encryption, ca_file=str(other.ca_file))
            assert "certificate" in (await door(mailbox_of(imap, USER, PASSWORD))).code.lower()
        assert "Login" not in server.log_file.read_text()


@pytest.mark.parametrize("starttls", [True, False])
@pytest.mark.parametrize("tls", [True, False])
async def test_smtp_says_nothing_about_us_before_tls(tmp_path: Path, starttls: bool, tls: bool) -> None:
    """At a server with STARTTLS or with TLS at once, each also without any TLS."""
    files = make(tmp_path)
    context = server_context(files.certificate, files.key) if tls else None
    async with (
        smtp_server(context, USER, PASSWORD, implicit=not starttls, handler=NtlmSink()) as port,
        between(port) as wire,
    ):
        smtp: dict[str, Any] = {"host": "localhost", "port": wire.port, "ca_file": str(files.ca_file)}
        smtp |= {"encryption": "starttls" if starttls else "implicit_tls"}
        mailbox = mailbox_of({"host": "no.invalid"}, USER, PASSWORD, kind="basic", smtp=smtp)
        result = signed(await checklist(mailbox), Chain.SMTP)
    assert (result.code == "") is tls
    clear, found, rest = bytes(wire.heard).partition(HANDSHAKE)
    assert [line.split()[0] for line in clear.splitlines()] == (
        [] if not starttls else [b"EHLO", b"STARTTLS"] if tls else [b"EHLO"]
    )
    assert bool(found) is (tls or not starttls)
    assert silent_about_us(clear) and silent_about_us(rest)
