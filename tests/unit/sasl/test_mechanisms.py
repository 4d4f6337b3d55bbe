"""What the mechanisms say, and what is kept from them."""

import pytest
from pydantic import SecretStr

from shared.domain.errors import ConfigurationError
from shared.sasl.choose import PREFERENCE, choose, mechanisms
from shared.sasl.handshake import CANCEL, Handshake
from shared.sasl.imap_login import login_command
from shared.sasl.mechanisms import Login, Plain, XOAuth2
from shared.sasl.values import Credentials, Kind, Peer

PEER = Peer("imap", "mail.desk.example")


def who(user: str = "ann", secret: str = "tim tam") -> Credentials:
    return Credentials(user, SecretStr(secret))


@pytest.mark.parametrize(
    ("kind", "offered", "chosen"),
    [
        (Kind.EXCHANGE, {"GSSAPI", "LOGIN", "PLAIN", "NTLM"}, ("NTLM", "PLAIN", "LOGIN")),
        (Kind.EXCHANGE, {"LOGIN", "XOAUTH2"}, ("LOGIN",)),
        (Kind.BASIC, {"NTLM", "LOGIN", "PLAIN"}, ("PLAIN", "LOGIN")),
        (Kind.BASIC, {"NTLM", "XOAUTH2"}, ()),
        (Kind.TOKEN, {"NTLM", "PLAIN", "LOGIN", "XOAUTH2"}, ("XOAUTH2",)),
        (Kind.TOKEN, {"PLAIN"}, ()),
    ],
)
def test_the_strongest_that_both_sides_have_comes_first(kind: Kind, offered: set[str], chosen: tuple[str, ...]) -> None:
    assert choose(kind, offered) == chosen
    assert tuple(one.name for one in mechanisms(kind, offered, who(), PEER)) == chosen


def test_every_mechanism_of_the_table_can_be_made() -> None:
    for kind, names in PREFERENCE.items():
        assert tuple(one.name for one in mechanisms(kind, names, who(), PEER)) == names


def test_plain_is_one_message_in_utf8() -> None:
    assert Plain(who("bjørn", "pä ss ")).initial() == "\0bjørn\0pä ss ".encode()


def test_login_gives_the_user_and_then_the_password_whatever_the_questions_are() -> None:
    login = Login(who("bjørn", "pä"))
    assert login.initial() is None
    assert not login.proven
    assert [login.answer(one) for one in (b"User Name\0", b"Password\0")] == ["bjørn".encode(), "pä".encode()]
    assert login.proven


def test_xoauth2_is_googles_message_and_its_challenge_is_answered_with_nothing() -> None:
    token = XOAuth2(who("someuser@example.com", "vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg=="))
    assert token.initial() == (
        b"user=someuser@example.com\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg==\x01\x01"
    )
    assert token.answer(b'{"status":"401"}') == b""
    with pytest.raises(ConfigurationError):
        XOAuth2(who("ann\x01auth=Bearer x"))


@pytest.mark.parametrize(
    ("user", "secret", "code"),
    [
        ("an\0n", "x", "user_name_unusable"),
        ("ann", "ca\0nary", "secret_unusable"),
        ("ann", "ca\udce9nary", "secret_unusable"),
    ],
)
def test_what_no_mechanism_carries_is_a_clear_error_without_the_secret(user: str, secret: str, code: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        who(user, secret)
    assert caught.value.code == code
    assert caught.value.remedy
    assert "nary" not in caught.value.line()


@pytest.mark.parametrize("kind", list(Kind))
def test_no_repr_shows_user_or_secret(kind: Kind) -> None:
    credentials = who("canary-user", "canary-secret")
    made = list(mechanisms(kind, PREFERENCE[kind], credentials, PEER))
    texts = [repr(one) for one in (credentials, PEER, *made, *map(vars, made))]
    assert not [one for one in texts if "canary" in one]


def test_an_initial_response_goes_out_with_the_command_or_when_the_server_asks() -> None:
    assert Handshake(Plain(who())).imap_arguments(sasl_ir=True) == ("PLAIN", "AGFubgB0aW0gdGFt")
    later = Handshake(Plain(who()))
    assert later.imap_arguments(sasl_ir=False) == ("PLAIN",)
    assert not later.judged, "the server has not seen the password yet"
    assert later.answer(b"") == b"AGFubgB0aW0gdGFt"
    assert later.judged
    assert Handshake(Login(who())).imap_arguments(sasl_ir=True) == ("LOGIN",)


def test_smtps_first_line_is_at_most_512_bytes_long() -> None:
    assert Handshake(Plain(who())).smtp_command() == b"AUTH PLAIN AGFubgB0aW0gdGFt"
    longest = Handshake(XOAuth2(who("ann", "t" * 349))).smtp_command()
    assert len(longest + b"\r\n") == 511
    token = Handshake(XOAuth2(who("ann", "t" * 350)))
    assert token.smtp_command() == b"AUTH XOAUTH2"
    assert len(token.answer(b"")) == 500


def test_prose_before_the_first_answer_is_not_read() -> None:
    """Exchange: `334 NTLM supported`."""
    handshake = Handshake(Plain(who()))
    handshake.imap_arguments(sasl_ir=False)
    assert handshake.answer(b"PLAIN supported") == b"AGFubgB0aW0gdGFt"


def test_questions_that_are_not_base64_are_answered_where_nobody_reads_them() -> None:
    login, token = Handshake(Login(who())), Handshake(XOAuth2(who()))
    assert [login.answer(one) for one in (b"Username:", b"Password:", b"More?")] == [b"YW5u", b"dGltIHRhbQ==", CANCEL]
    assert token.imap_arguments(sasl_ir=True)[0] == "XOAUTH2"
    assert token.answer(b"no!") == b"", "then the server says why"


@pytest.mark.parametrize("challenge", [b"%%%", b"AA", b"AAAA"])
def test_a_challenge_that_makes_no_sense_cancels(challenge: bytes) -> None:
    handshake = Handshake(Plain(who()))
    handshake.imap_arguments(sasl_ir=True)
    assert handshake.answer(challenge) == CANCEL


def test_the_login_command_quotes_what_can_be_quoted_and_sends_the_rest_as_literals() -> None:
    arguments, reply = login_command(who('DESK\\ann "x"', "{5}"))
    assert arguments == '"DESK\\\\ann \\"x\\"" "{5}"'
    assert reply(b"") == b""
    arguments, reply = login_command(who("ann", "wörd\r\na LOGOUT"))
    assert arguments == "{3}"
    assert [reply(b"OK"), reply(b"OK"), reply(b"OK")] == [b"ann {15}", "wörd\r\na LOGOUT".encode(), b""]
