"""The mailbox model: what an administrator may say, and how secrets leave it."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from shared.domain.bindings import sign_in_binding
from shared.domain.mailbox import (
    BasicAuth,
    Encryption,
    ExchangeAuth,
    MailboxSpec,
    OAuth2MicrosoftAuth,
    SecretSource,
    split_secrets,
)
from tests.support.builders import spec
from tests.support.canary import WORD

MINIMAL: dict[str, Any] = {
    "module": "ticket",
    "email": "Support@Example.COM",
    "imap": {"host": "imap.example.com"},
    "smtp": {"host": "smtp.example.com"},
}


def test_the_defaults_are_the_safe_ones() -> None:
    """Implicit TLS on 993, INBOX, from now, acknowledgements on, nothing is touched on the server."""
    made = MailboxSpec.model_validate(MINIMAL)
    assert (made.imap.port, made.imap.encryption, made.imap.folder) == (993, Encryption.IMPLICIT_TLS, "INBOX")
    assert (made.imap.start_from, made.imap.after_fetch.action) == ("now", "nothing")
    assert made.acknowledgements.enabled
    assert made.email == "support@example.com"


@pytest.mark.parametrize(
    ("auth", "kind"),
    [
        ({"type": "basic", "username": "bob", "password": "x"}, BasicAuth),
        ({"type": "oauth2_microsoft", "clientId": "c", "tenantId": "t", "clientSecret": "s"}, OAuth2MicrosoftAuth),
        ({"type": "exchange", "domainUser": "CORP\\alice", "password": "x"}, ExchangeAuth),
    ],
)
def test_the_authentication_type_decides_the_fields(auth: dict[str, str], kind: type) -> None:
    """A discriminated union: the fields of one type are errors in another."""
    assert isinstance(MailboxSpec.model_validate(MINIMAL | {"auth": auth}).auth, kind)
    with pytest.raises(ValidationError):
        MailboxSpec.model_validate(MINIMAL | {"auth": auth | {"type": "basic", "tenantId": "t"}})


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"module": "incident"}, "module"),
        ({"email": "nobody"}, "email"),
        ({"imap": {"host": "imaps://x"}}, "host"),
        ({"imap": {"host": "x", "port": 70000}}, "port"),
        ({"imap": {"host": "x", "encryption": "none"}}, "encryption"),
        ({"imap": {"host": "x", "folder": "a\r\nb"}}, "folder"),
        ({"auth": {"type": "basic", "username": "a\x00b"}}, "username"),
        ({"imap": {"host": "x", "afterFetch": {"action": "move"}}}, "afterFetch"),
        ({"smtp": None}, "smtp"),
        ({"domains": {"fullSubjectMatch": True}}, "subjectKeywords"),
        ({"domains": {"approvedDomainsOnly": True}}, "approvedDomains"),
        ({"domains": {"approvedDomains": ["no domain"]}}, "approvedDomains"),
        ({"domains": {"blockedSenders": ["a b@c"]}}, "blockedSenders"),
        ({"auth": {"type": "basic", "passwordFrom": {"file": "a", "env": "b"}}}, "passwordFrom"),
        ({"auth": {"type": "oauth2_microsoft", "clientId": "c", "tenantId": "t"}}, "clientSecretFrom"),
    ],
)
def test_what_does_not_hold_together_is_refused_and_named(change: dict[str, Any], word: str) -> None:
    """The error names the field."""
    with pytest.raises(ValidationError) as caught:
        MailboxSpec.model_validate(MINIMAL | change)
    assert word in str(caught.value)


def test_only_an_application_that_signs_in_by_itself_must_have_a_secret() -> None:
    """A person may sign in at a public client, or at one with a secret."""
    auth = {"type": "oauth2_microsoft", "flow": "delegated", "clientId": "c", "tenantId": "t"}
    assert spec(auth=auth).delegated is not None
    assert spec(auth=auth | {"clientSecret": "s"}).delegated is not None
    assert spec(auth=auth | {"flow": "application", "clientSecret": "s"}).delegated is None
    assert spec().delegated is None


@pytest.mark.parametrize(
    "change",
    [
        {"auth": {"clientId": "other"}},
        {"auth": {"tenantId": "other"}},
        {"auth": {"authority": "https://login.microsoftonline.us"}},
        {"imap": {"host": "other"}},
        {"imap": {"port": 1143}},
        {"email": "other@example.com"},
    ],
)
def test_a_sign_in_is_bound_to_whatever_its_tokens_are_asked_of_and_shown_to(change: dict[str, Any]) -> None:
    auth = {"type": "oauth2_microsoft", "flow": "delegated", "clientId": "c", "tenantId": "t"}
    parts: dict[str, Any] = {"auth": auth, "imap": {"host": "imap.example.com"}, "email": "support@example.com"}
    changed = {name: one if isinstance(one, str) else parts[name] | one for name, one in change.items()}
    before, after = spec(**parts), spec(**{**parts, **changed})
    assert sign_in_binding(before, "support") == sign_in_binding(spec(**parts, aliases=("a@example.com",)), "support")
    assert sign_in_binding(before, "support") != sign_in_binding(after, "support")
    assert sign_in_binding(before, "support") != sign_in_binding(before, "sales")


def test_secrets_leave_the_model_and_leave_a_reference() -> None:
    """Nothing that is stored holds a secret."""
    before = spec(auth={"type": "basic", "password": WORD})
    after, secrets = split_secrets(before)
    assert {name: secret.get_secret_value() for name, secret in secrets.items()} == {"auth.password": WORD}
    assert isinstance(after.auth, BasicAuth)
    assert (after.auth.password, after.auth.password_from) == (None, SecretSource(stored=True))
    assert WORD not in after.model_dump_json() + repr(before) + str(before)
    assert split_secrets(after) == (after, {})


def test_a_secret_is_never_printed() -> None:
    """SecretStr all the way."""
    auth = BasicAuth(password=SecretStr(WORD))
    assert WORD not in f"{auth!r} {auth}"
