"""Microsoft's error codes in words, and the allow-list of identity servers."""

import pytest
from pydantic import SecretStr

from shared.domain.errors import ConfigurationError
from shared.oauth.authorities import MICROSOFT, Authorities
from shared.oauth.errors import ProviderUnavailable, SignInNeeded, SignInRefused
from shared.oauth.refusals import refusal
from shared.oauth.settings import OAuthSettings
from shared.oauth.values import Application
from tests.support.canary import secret

APPLICATION = Application("tenant", "client", SecretStr(secret("the~secret")), "https://login.microsoftonline.com")
PERSON = APPLICATION.public

CODES = [
    (7000222, "oauth_secret_expired"),
    (7000215, "oauth_secret_wrong"),
    (700016, "oauth_client_unknown"),
    (90002, "oauth_tenant_unknown"),
    (65001, "oauth_consent_missing"),
    (7000229, "oauth_consent_missing"),
    (7000112, "oauth_client_disabled"),
    (500011, "oauth_no_exchange"),
    (53003, "oauth_blocked_by_policy"),
]


@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.parametrize("listed", [True, False])
def test_each_code_has_a_sentence_and_a_remedy(number: int, code: str, listed: bool) -> None:
    """Whether it stands in `error_codes` or in the description alone."""
    answer: dict[str, object] = {"error": "invalid_client", "error_description": f"AADSTS{number}: words"}
    if listed:
        answer["error_codes"] = [number]
    error = refusal(answer, APPLICATION, "mailbox support")
    assert isinstance(error, SignInRefused)
    assert (error.code, str(number) in error.what, bool(error.remedy)) == (code, True, True)


PEOPLE = [
    ("invalid_grant", 50173, "sign_in_needed"),
    ("invalid_grant", 700082, "sign_in_needed"),
    ("invalid_grant", 70000, "sign_in_needed"),
    ("invalid_grant", 700084, "sign_in_needed"),
    ("invalid_grant", 0, "sign_in_needed"),
    ("interaction_required", 50076, "sign_in_proof_needed"),
    ("interaction_required", 50079, "sign_in_proof_needed"),
    ("interaction_required", 0, "sign_in_proof_needed"),
    ("invalid_grant", 65001, "oauth_consent_missing"),
    ("invalid_grant", 53003, "oauth_blocked_by_policy"),
    ("invalid_grant", 50105, "oauth_account_not_assigned"),
    ("invalid_grant", 50057, "oauth_account_blocked"),
]


@pytest.mark.parametrize(("error", "number", "code"), PEOPLE)
def test_what_only_a_person_can_mend_is_told_apart_where_a_person_signed_in(error: str, number: int, code: str) -> None:
    answer: dict[str, object] = {"error": error, "error_codes": [number] if number else []}
    found = refusal(answer, PERSON, "mailbox support", delegated=True)
    assert isinstance(found, SignInNeeded)
    assert (found.code, bool(found.remedy)) == (code, True)
    assert not isinstance(refusal(answer, APPLICATION, "mailbox support"), SignInNeeded), (
        "an application signs in alone"
    )


@pytest.mark.parametrize(
    ("error", "number", "code"),
    [
        ("invalid_client", 7000222, "oauth_secret_expired"),
        ("invalid_client", 7000218, "oauth_public_client_off"),
        ("invalid_client", 700025, "oauth_client_is_public"),
        ("access_denied", 65004, "oauth_declined"),
        ("expired_token", 0, "oauth_sign_in_late"),
    ],
)
def test_what_is_configured_wrong_is_no_matter_of_signing_in_again(error: str, number: int, code: str) -> None:
    answer: dict[str, object] = {"error": error, "error_codes": [number] if number else []}
    found = refusal(answer, PERSON, "mailbox support", delegated=True)
    assert (type(found), found.code) == (SignInRefused, code)


@pytest.mark.parametrize(
    ("authority", "resource"),
    [
        ("https://login.microsoftonline.com", "https://outlook.office365.com"),
        ("https://login.microsoftonline.us", "https://outlook.office365.us"),
        ("https://login.partner.microsoftonline.cn", "https://partner.outlook.cn"),
        ("https://login.corp.example", "https://outlook.office365.com"),
    ],
)
def test_each_cloud_has_its_own_exchange(authority: str, resource: str) -> None:
    place = Authorities(["https://login.corp.example"]).place(authority, "tenant.example", "")
    assert place.application_scopes == [f"{resource}/.default"]
    assert place.delegated_scopes == [f"{resource}/IMAP.AccessAsUser.All", f"{resource}/SMTP.Send"]


def test_an_unknown_code_shows_the_servers_words_without_the_secret_and_on_one_line() -> None:
    answer = {"error": "x", "error_description": f"AADSTS1234567: it is\r\n{secret('the~secret')} " + "long " * 100}
    error = refusal(answer, APPLICATION, "mailbox support")
    assert error.code == "oauth_refused"
    assert "AADSTS1234567" in error.what
    assert secret("the~secret") not in error.what
    assert "\n" not in error.what and len(error.what) < 260


@pytest.mark.parametrize("answer", [{"error": "temporarily_unavailable"}, {"error": "x", "error_codes": [90033]}])
def test_a_busy_server_is_no_rejection(answer: dict[str, object]) -> None:
    assert isinstance(refusal(answer, APPLICATION, "mailbox support"), ProviderUnavailable)


@pytest.mark.parametrize("origin", sorted(MICROSOFT))
@pytest.mark.parametrize("form", ["{0}", "{0}/", "{0}/tenant.example", "{0}:443"])
def test_each_microsoft_cloud_is_allowed_and_trusts_no_private_ca(origin: str, form: str) -> None:
    allowed = Authorities.of(OAuthSettings(authorities="https://login.corp.example"))
    place = allowed.place(form.format(origin), "tenant.example", "mailbox support")
    assert (place.url, place.ca_file) == (f"{origin}/tenant.example", None)
    assert "https://login.corp.example" not in place.origins


def test_a_setting_adds_private_servers() -> None:
    allowed = Authorities.of(OAuthSettings(authorities="https://a.example:8443, https://B.example"))
    assert allowed.place("https://b.example", "t", "").url == "https://b.example/t"
    assert allowed.place("https://a.example:8443/", "t", "").url == "https://a.example:8443/t"


@pytest.mark.parametrize(
    "address", ["a.example", "http://a.example", "https://a.example/path", "https://u:p@a.example"]
)
def test_a_senseless_setting_is_a_configuration_error(address: str) -> None:
    with pytest.raises(ConfigurationError):
        Authorities.of(OAuthSettings(authorities=address))
