"""A stored secret is bound to every server it is sent to: change one, and it must be given again."""

from typing import Any

import pytest

from shared.domain.bindings import moved, secret_binding
from shared.domain.mailbox import MailboxSpec
from tests.support.builders import spec

PASSWORD, CLIENT, SMTP = "auth.password", "auth.client_secret", "smtp.password"
IMAP = {"host": "imap.example.com"}
OUT = {"host": "smtp.example.com"}
OWN = {**OUT, "username": "out", "password_from": {"stored": True}}
APPLICATION = {
    "type": "oauth2_microsoft",
    "client_id": "c",
    "tenant_id": "t",
    "client_secret_from": {"stored": True},
}


def sentence(field: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    """What is said to have changed; the binding changes exactly if anything is."""
    before, after = (spec(**one) for one in (old, new))
    said = moved(before, after, field)
    assert bool(said) == (binding(before, field) != binding(after, field))
    return said


def binding(one: MailboxSpec, field: str) -> str:
    return secret_binding(one, "support", field)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"imap": {"host": "evil.example"}}, "the IMAP server (host) changed"),
        ({"imap": {**IMAP, "port": 994}}, "the IMAP server (port) changed"),
        ({"imap": {**IMAP, "encryption": "starttls"}}, "the IMAP server (encryption) changed"),
        ({"smtp": {"host": "evil.example"}}, "the SMTP server (host) changed"),
        ({"smtp": {**OUT, "port": 587, "encryption": "starttls"}}, "the SMTP server (port, encryption) changed"),
        ({"smtp": {**OUT, "username": "other"}}, "the SMTP server (user) changed"),
        ({"email": "other@example.com"}, "the IMAP server (user) and the SMTP server (user) changed"),
        ({"auth": {"type": "basic", "username": "x"}}, "the IMAP server (user) and the SMTP server (user) changed"),
        ({"smtp": None}, "the SMTP server (host, port, encryption, user) changed"),
        ({"smtp": OWN}, "the SMTP server (host, port, encryption, user) changed"),
    ],
)
def test_a_password_is_bound_to_imap_and_to_the_smtp_server_that_takes_it_too(change: dict, told: str) -> None:
    assert sentence(PASSWORD, {"smtp": OUT}, {"smtp": OUT, **change}) == f"{told} since the stored password was given"


@pytest.mark.parametrize(
    "change",
    [
        {"imap": {**IMAP, "folder": "Archive", "ca_file": "/etc/ca.pem"}},
        {"smtp": {**OUT, "ca_file": "/etc/ca.pem"}},
        {"aliases": ["a@example.com"], "module": "request"},
    ],
)
def test_what_does_not_say_where_a_secret_goes_leaves_it(change: dict[str, Any]) -> None:
    assert sentence(PASSWORD, {"smtp": OUT}, {"smtp": OUT, **change}) == ""


def test_an_smtp_server_with_a_password_of_its_own_is_none_of_the_mailbox_passwords_business() -> None:
    moved_out = {**OWN, "host": "other.example"}
    assert sentence(PASSWORD, {"smtp": OWN}, {"smtp": moved_out}) == ""
    told = "the SMTP server (host) changed since the stored SMTP password was given"
    assert sentence(SMTP, {"smtp": OWN}, {"smtp": moved_out}) == told
    assert sentence(SMTP, {"smtp": OWN}, {"smtp": OWN, "imap": {"host": "other.example"}}) == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"authority": "https://login.microsoftonline.us"}, "the identity server (authority)"),
        ({"tenant_id": "u"}, "the identity server (tenant)"),
        ({"client_id": "d"}, "the identity server (client)"),
    ],
)
def test_a_client_secret_is_bound_to_whoever_gets_it(change: dict[str, Any], told: str) -> None:
    said = sentence(CLIENT, {"auth": APPLICATION}, {"auth": {**APPLICATION, **change}})
    assert said == f"{told} changed since the stored client secret was given"
    assert sentence(PASSWORD, {"auth": APPLICATION}, {"auth": {**APPLICATION, **change}}) == ""


@pytest.mark.parametrize("change", [{"imap": {"host": "evil.example"}}, {"smtp": {"host": "evil.example"}}])
def test_a_client_secret_is_bound_to_the_servers_that_its_tokens_open(change: dict[str, Any]) -> None:
    assert sentence(CLIENT, {"auth": APPLICATION, "smtp": OUT}, {"auth": APPLICATION, "smtp": OUT, **change})


def test_an_inline_password_of_smtp_counts_like_a_stored_one() -> None:
    inline = {**OUT, "username": "out", "password": "hunter2"}
    assert binding(spec(smtp=inline), PASSWORD) == binding(spec(smtp=OWN), PASSWORD)


def test_the_mailbox_and_the_field_are_bound_too() -> None:
    assert secret_binding(spec(), "a", PASSWORD) != secret_binding(spec(), "b", PASSWORD)
    assert secret_binding(spec(), "a", PASSWORD) != secret_binding(spec(), "a", CLIENT)
