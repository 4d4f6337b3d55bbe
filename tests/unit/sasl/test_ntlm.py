"""NTLM against pyspnego's own acceptor."""

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from spnego.exceptions import SpnegoError

from shared.sasl.choose import mechanisms
from shared.sasl.handshake import CANCEL, Handshake
from shared.sasl.ntlm import Ntlm
from shared.sasl.values import Credentials, Kind, Peer
from tests.support.bad_certificates import make
from tests.support.ntlm import acceptor, der_of, ntlm_users

USERS = {"CORP\\ann": "right", "ben@corp.example": "pä:ss", "WIDE\\çelik": "x"}


@pytest.fixture
def users() -> Iterator[None]:
    with ntlm_users(USERS):
        yield


def ntlm(user: str, password: str, certificate: bytes | None = None) -> Ntlm:
    return Ntlm(Credentials(user, SecretStr(password)), Peer("imap", "mail.corp.example", certificate))


def let_in(client: Ntlm) -> str | None:
    """Whom the server lets in; None if nobody."""
    server = acceptor()
    challenge = server.step(client.initial())
    assert challenge is not None
    assert not client.proven
    try:
        server.step(client.answer(challenge))
    except (SpnegoError, ValueError):
        return None
    assert client.proven
    return server.client_principal


@pytest.mark.parametrize(("user", "password"), list(USERS.items()))
def test_domain_users_and_upns_are_let_in_with_the_right_password_only(users: None, user: str, password: str) -> None:
    assert let_in(ntlm(user, password)) == user
    assert let_in(ntlm(user, password + " ")) is None


def test_another_domain_is_another_user(users: None) -> None:
    assert let_in(ntlm("DESK\\ann", "right")) is None
    assert let_in(ntlm("ann", "right")) is None


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=200))
@settings(max_examples=50, deadline=None)
def test_any_password_is_carried(password: str) -> None:
    with ntlm_users({"CORP\\ann": password}):
        assert let_in(ntlm("CORP\\ann", password)) == "CORP\\ann"


def test_the_answer_is_bound_to_the_servers_certificate(tmp_path: Path) -> None:
    here, elsewhere = make(tmp_path / "here"), make(tmp_path / "elsewhere")
    with ntlm_users(USERS, here.certificate):
        assert let_in(ntlm("CORP\\ann", "right", der_of(here.certificate))) == "CORP\\ann"
        assert let_in(ntlm("CORP\\ann", "right", der_of(elsewhere.certificate))) is None, "relayed from another server"
        assert let_in(ntlm("CORP\\ann", "right")) is None


@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda rest: b"NTLMSSP\0\2\0\0\0" + rest))
@settings(deadline=None)
def test_no_challenge_breaks_it(challenge: bytes) -> None:
    handshake = Handshake(ntlm("CORP\\ann", "right"))
    handshake.imap_arguments(sasl_ir=True)
    line = handshake.answer(base64.b64encode(challenge))
    assert (line == CANCEL) is not handshake.judged


def test_a_password_that_looks_like_hashes_is_left_to_the_next_mechanism() -> None:
    """pyspnego would take it for the hashes themselves."""
    credentials = Credentials("CORP\\ann", SecretStr(f"{'0' * 32}:{'a' * 32}"))
    made = mechanisms(Kind.EXCHANGE, {"NTLM", "PLAIN"}, credentials, Peer("imap", "x.example"))
    assert [one.name for one in made] == ["PLAIN"]


def test_its_messages_are_not_logged(users: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert let_in(ntlm("CORP\\ann", "right"))
    assert "TlRMTVNTUAAD" not in caplog.text
