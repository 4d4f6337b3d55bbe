"""User names and passwords of every kind, by every way to sign in, by the fetcher and the connection test."""

import base64
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.domain.mailbox import Mailbox
from tests.contract.sasl.conftest import DOORS, by_fetcher, by_probe, mailbox_of, tls_at
from tests.support.bad_certificates import make
from tests.support.between import between
from tests.support.dovecot import ShortLived
from tests.support.ntlm import ntlm_dovecot
from tests.support.smtp import server_context

HARD = {
    "CORP\\ann": "plain",
    "DESK\\ann smith": 'with "quotes" and \\',
    "ümlaut@desk.example": "pässwörd ☃ 日本",
    '"quoted"': "{5}",
    "o'neil@desk.example": "'",
    "blank": " blank at both ends ",
    "backslash": "a\\",
    "literal": "x {12}",
    "plus": "{12+}",
    "percent": "100%s%u%%&+",
    "nine spaces": " " * 9,
    "long": "0123456789" * 20,
    "long and wide": "ß☃é\\" * 50,
    "日本": "пароль",
    "composed": "é and e\u0301",
    "nil": "NIL",
    "star": "*",
    "equals": "=",
}
NASTY = "\"\\'%{}()[]<>*&=+~$!?,;# aZ0äß☃日\u00a0\U0001f511"


def drawn(seed: int, count: int) -> dict[str, str]:
    """More of them, always the same ones for a seed."""
    dice = random.Random(seed)
    words = ["".join(dice.choices(NASTY, k=dice.randint(1, 200))) for _ in range(count)]
    users = ["".join(dice.choices(NASTY, k=dice.randint(1, 20))) for _ in range(count)]
    return {f"u{number} {user} x": word for number, (user, word) in enumerate(zip(users, words, strict=True))}


WORDS = {**HARD, **drawn(3, 12)}
WAYS = {"NTLM": "ntlm", "PLAIN": "plain", "LOGIN": "login", "the LOGIN command": "plain"}


@contextmanager
def offering(way: str) -> Iterator[str]:
    """Dovecot's configuration for one way; NTLM has users of its own."""
    with ExitStack() as stack:
        yield (
            stack.enter_context(ntlm_dovecot(WORDS, mechanisms="ntlm"))
            if way == "NTLM"
            else (f"auth_mechanisms = {WAYS[way]}\n")
        )


@pytest.mark.parametrize("way", list(WAYS))
async def test_any_user_and_any_password_sign_in(tmp_path: Path, way: str) -> None:
    files = make(tmp_path / "tls")
    context = server_context(files.certificate, files.key)

    def say(line: bytes) -> bytes:
        return line.replace(b"AUTH=", b"X-") if way == "the LOGIN command" else line

    with offering(way) as extra:
        async with (
            ShortLived(tmp_path / "d", {} if way == "NTLM" else WORDS, extra=extra) as server,
            between(server.starttls_port, tls=context, rewrite=say) as wire,
        ):
            imap = {"host": "localhost", "port": wire.port, "ca_file": str(files.ca_file)}
            kind: Any = "exchange" if way == "NTLM" else "basic"
            for user, password in WORDS.items():
                for door in DOORS:
                    result = await door(mailbox_of(imap, user, password, kind=kind))
                    assert result.code == "", (door.__name__, user, result.text)
                    assert door is by_fetcher or f"with {way}." in result.text
            for door in DOORS:
                wrong = await door(mailbox_of(imap, "blank", "blank at both ends", kind=kind))
                assert wrong.code in ("authentication_rejected", "IMAP_AUTH_DENIED")


TAKEN = {"bell": "bell\x07", "escape": "escape\x1b[0m", "delete": "delete\x7f", "end": "\x02\x1f"}
REFUSED = {"tab": "tab\there", "line": "two\nlines", "return": "carriage\r\nreturn", "one": "\x01\x02"}
"""Dovecot refuses a password with one of these characters before it looks it up; other servers do not."""


def everywhere(imap: dict[str, Any], user: str, word: str, file: Path, kind: Any) -> Iterator[Mailbox]:
    """The password in the spec, in a file, and in the environment variable WORD."""
    file.write_bytes(word.encode() + b"\n")
    yield mailbox_of(imap, user, word, kind=kind)
    yield mailbox_of(imap, user, kind=kind, password_from={"file": str(file)})
    yield mailbox_of(imap, user, kind=kind, password_from={"env": "WORD"})


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN", "the LOGIN command"])
async def test_passwords_with_control_characters_sign_in_from_spec_file_and_environment(
    tmp_path: Path, way: str
) -> None:
    files = make(tmp_path / "tls")
    context = server_context(files.certificate, files.key)

    def say(line: bytes) -> bytes:
        return line.replace(b"AUTH=", b"X-") if way == "the LOGIN command" else line

    async with (
        ShortLived(tmp_path / "d", {**TAKEN, **REFUSED}, extra=f"auth_mechanisms = {WAYS[way]}\n") as server,
        between(server.starttls_port, tls=context, rewrite=say) as wire,
    ):
        imap = {"host": "localhost", "port": wire.port, "ca_file": str(files.ca_file)}
        for user, word in TAKEN.items():
            for mailbox in everywhere(imap, user, word, tmp_path / "password", "basic"):
                assert [(await door(mailbox, {"WORD": word})).code for door in DOORS] == ["", ""]
        for user, word in REFUSED.items():
            wire.heard.clear()
            results = [await door(mailbox_of(imap, user, word, kind="basic")) for door in DOORS]
            assert [one.code for one in results] == ["authentication_rejected", "IMAP_AUTH_DENIED"]
            assert all("the password holds control characters" in one.text for one in results)
            sent = {
                "PLAIN": base64.b64encode(f"\0{user}\0{word}".encode()),
                "LOGIN": base64.b64encode(word.encode()),
                "the LOGIN command": b" {%d}\r\n%b\r\n" % (len(word), word.encode()),
            }
            assert wire.heard.count(sent[way]) == len(DOORS), "it is the server that does not take it"


async def test_ntlm_carries_control_characters(tmp_path: Path) -> None:
    words = {**TAKEN, **REFUSED}
    with ntlm_dovecot(words) as extra:
        async with ShortLived(tmp_path / "d", {}, extra=extra) as server:
            for user, word in words.items():
                for mailbox in everywhere(tls_at(server), user, word, tmp_path / "password", "exchange"):
                    assert [(await door(mailbox, {"WORD": word})).code for door in DOORS] == ["", ""]


@pytest.mark.parametrize(("word", "why"), [("canary\0x", "NUL"), ("canary\udce9", "UTF-8")])
async def test_a_password_that_no_server_takes_is_a_clear_error_and_goes_nowhere(
    tmp_path: Path, word: str, why: str
) -> None:
    """NUL, and what is not UTF-8, such as an environment variable in another encoding."""
    async with ShortLived(tmp_path / "d", {"ann": "x"}) as server, between(server.tls_port) as wire:
        mailbox = mailbox_of(tls_at(server, port=wire.port), "ann", word)
        fetcher = await by_fetcher(mailbox)
        assert not wire.heard, "the fetcher does not even connect"
        probe = await by_probe(mailbox)
        assert "auth failed" not in server.log_file.read_text()
    assert (fetcher.code, probe.code) == ("secret_unusable", "IMAP_SECRET_UNUSABLE")
    for text in (fetcher.text, probe.text):
        assert why in text and "ive another password" in text
        assert "canary" not in text
