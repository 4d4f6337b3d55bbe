"""What a mail server's refusal of a token means."""

import base64

import pytest

from services.fetcher.errors import AuthenticationRejected, ServerTrouble, Throttled
from services.fetcher.imap.classify import refused
from services.fetcher.imap.wire import Answer
from services.fetcher.imap.xoauth2 import challenge_status, token_refused
from shared.domain.errors import AutomatorError


def answer(text: bytes, *challenges: bytes) -> Answer:
    return Answer("NO", text, (), challenges)


def test_the_status_of_the_challenge_is_read() -> None:
    packed = base64.b64encode(b'{"status":"400","schemes":"Bearer","scope":"https://mail.example/"}')
    assert challenge_status(answer(b"AUTHENTICATE failed.", b"", packed)) == "400"


@pytest.mark.parametrize("challenge", [b"", b"%%%", base64.b64encode(b"[1]"), base64.b64encode(b"\xff{")])
def test_a_senseless_challenge_says_nothing(challenge: bytes) -> None:
    assert challenge_status(answer(b"no", challenge)) == ""


KINDS: list[tuple[bytes, type[AutomatorError]]] = [
    (b"AUTHENTICATE failed.", AuthenticationRejected),
    (b"[AUTHENTICATIONFAILED] Authentication failed.", AuthenticationRejected),
    (b"[UNAVAILABLE] Temporary authentication failure.", ServerTrouble),
    (b"Request is throttled. Suggested Backoff Time: 299000 milliseconds", Throttled),
]


@pytest.mark.parametrize(("text", "kind"), KINDS)
def test_only_a_proven_refusal_is_a_rejection(text: bytes, kind: type[AutomatorError]) -> None:
    assert type(token_refused(answer(text), "mail.example:993")) is kind


def test_a_good_token_without_access_to_the_mailbox_is_told_apart() -> None:
    """Exchange Online's words, at the first command after the login."""
    error = refused("SELECT", b"User is authenticated but not connected.", "mail.example:993")
    assert isinstance(error, AuthenticationRejected)
    assert error.code == "mailbox_not_permitted"
    assert "Add-MailboxPermission" in error.remedy and "ImapEnabled" in error.remedy
