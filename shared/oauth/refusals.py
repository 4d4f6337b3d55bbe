"""Refusals of Microsoft's identity server in words. Pure.

Codes: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain.errors import AutomatorError
from shared.oauth.errors import ProviderUnavailable, SignInNeeded, SignInRefused
from shared.oauth.values import Application


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means: our own code, a sentence, and what to do. `person`: only somebody who signs in can mend it."""

    code: str
    sentence: str
    remedy: str
    person: bool = False


_EXPIRED = Meaning(
    "oauth_secret_expired",
    "the client secret has expired",
    "make a new client secret in the app registration (Certificates & secrets) and enter its value here",
)
_WRONG_SECRET = Meaning(
    "oauth_secret_wrong",
    "the client secret is wrong",
    "enter the secret's value, not its secret ID; the value is shown only once, so make a new one if it is lost",
)
_SECRET_ID = Meaning(
    "oauth_secret_id_given",
    "the client secret is wrong: it looks like the secret's ID, not its value",
    "enter what stands in the column Value of Certificates & secrets, not the Secret ID; make a new one if it is lost",
)
_CLIENT = Meaning(
    "oauth_client_unknown",
    "the tenant does not know this client ID",
    "compare clientId with the Application (client) ID of the app registration, and tenantId with its Directory ID",
)
_TENANT = Meaning(
    "oauth_tenant_unknown",
    "the identity server does not know this tenant",
    "compare tenantId with the Directory (tenant) ID of the app registration; check that authority is the right cloud",
)
_CONSENT = Meaning(
    "oauth_consent_missing",
    "nobody has consented to what the application asks for",
    "add the application permission IMAP.AccessAsApp of Office 365 Exchange Online, then Grant admin consent",
)
_DISABLED = Meaning(
    "oauth_client_disabled",
    "the application is disabled in its tenant",
    "enable it: Enterprise applications, the application, Properties, Enabled for users to sign in",
)
_NO_EXCHANGE = Meaning(
    "oauth_no_exchange",
    "the tenant has no Exchange Online",
    "check tenantId: it must be the tenant in which the mailbox lives",
)
_POLICY = Meaning(
    "oauth_blocked_by_policy",
    "a conditional access policy of the tenant blocks the application",
    "let the application's workload identity pass from this network in the tenant's conditional access policies",
)

_BY_NUMBER: Mapping[int, Meaning] = {
    7000222: _EXPIRED,
    7000215: _WRONG_SECRET,
    7000218: _WRONG_SECRET,
    700016: _CLIENT,
    7000112: _DISABLED,
    90002: _TENANT,
    900023: _TENANT,
    65001: _CONSENT,
    7000229: _CONSENT,
    500011: _NO_EXCHANGE,
    53003: _POLICY,
}
_AGAIN = "sign in again: mail-automator mailbox sign-in, or the link of POST /api/v1/mailboxes/{name}/sign-in"


def _again(sentence: str, code: str = "sign_in_needed", remedy: str = _AGAIN) -> Meaning:
    return Meaning(code, sentence, remedy, person=True)


_LAPSED = _again("the sign-in has expired or was withdrawn")
_REVOKED = _again("the sign-in was withdrawn, usually because the account's password was changed or reset")
_UNUSED = _again("the sign-in has expired because it was not used for a long time")
_ONE_PAGE = _again(
    "the sign-in was made for a single-page application, which lasts for a day at most",
    remedy="register the redirect address under the platform Web, not Single-page application; then sign in again",
)
_PROOF = _again("the tenant wants another proof of the person, such as a code or a key", "sign_in_proof_needed")
_NO_CONSENT = _again(
    "nobody has consented to what the application asks for on behalf of the person",
    "oauth_consent_missing",
    "add the delegated permissions IMAP.AccessAsUser.All and SMTP.Send to the app registration, let an administrator "
    "grant consent if the tenant wants that, then sign in again",
)
_PERSON_POLICY = _again(
    "a conditional access policy of the tenant blocks this sign-in",
    "oauth_blocked_by_policy",
    "let the account use the application from this network in the tenant's conditional access policies, then test or "
    "save the mailbox, or sign in again",
)
_NOT_ASSIGNED = _again(
    "the account is not assigned to the application",
    "oauth_account_not_assigned",
    "assign it: Enterprise applications, the application, Users and groups; then sign in again",
)
_ACCOUNT = _again(
    "the account is disabled, locked, gone, or its password has expired",
    "oauth_account_blocked",
    "let the tenant's administrator unlock the account, then sign in again, or sign in with another one",
)
_DECLINED = Meaning("oauth_declined", "the person declined, or closed the sign-in", "start the sign-in once more")
_LATE = Meaning("oauth_sign_in_late", "the sign-in took too long", "start it once more; it is valid for some minutes")
_NO_PUBLIC = Meaning(
    "oauth_public_client_off",
    "the tenant wants the application's secret, and none was sent",
    "give the client secret; for the sign-in on the command line, which sends none, also set Allow public client flows "
    "to Yes under Authentication of the app registration",
)
_IS_PUBLIC = Meaning(
    "oauth_client_is_public",
    "the application is registered as a public client, and a client secret was sent",
    "take the client secret out of the mailbox, or register the redirect address under the platform Web",
)
_BY_PERSON: Mapping[int, Meaning] = {
    50173: _REVOKED,
    700082: _UNUSED,
    70043: _UNUSED,
    70000: _LAPSED,
    70008: _LAPSED,
    700084: _ONE_PAGE,
    50072: _PROOF,
    50074: _PROOF,
    50076: _PROOF,
    50078: _PROOF,
    50079: _PROOF,
    50158: _PROOF,
    65001: _NO_CONSENT,
    90094: _NO_CONSENT,
    65004: _DECLINED,
    53000: _PERSON_POLICY,
    53001: _PERSON_POLICY,
    53002: _PERSON_POLICY,
    53003: _PERSON_POLICY,
    50105: _NOT_ASSIGNED,
    50034: _ACCOUNT,
    50053: _ACCOUNT,
    50055: _ACCOUNT,
    50057: _ACCOUNT,
    70019: _LATE,
    70020: _LATE,
    7000218: _NO_PUBLIC,
    700025: _IS_PUBLIC,
}
"""What means something else, or only means something, where a person signs in."""
_PERSON_ERRORS: Mapping[str, Meaning] = {
    "invalid_grant": _LAPSED,
    "interaction_required": _PROOF,
    "login_required": _LAPSED,
    "consent_required": _NO_CONSENT,
    "access_denied": _DECLINED,
    "authorization_declined": _DECLINED,
    "expired_token": _LATE,
    "code_expired": _LATE,
}
"""Errors of RFC 6749, RFC 8628 and OpenID Connect without a number that we know."""
_BUSY_NUMBERS = frozenset({90033, 50196})
_BUSY_ERRORS = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_BY_ERROR: Mapping[str, Meaning] = {"invalid_client": _WRONG_SECRET, "unauthorized_client": _CLIENT}
_NUMBER = re.compile(r"AADSTS(\d{4,8})")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def refusal(
    answer: Mapping[str, object], application: Application, where: str, *, delegated: bool = False
) -> AutomatorError:
    """The error for a token endpoint's error answer (RFC 6749 section 5.2). Its words are shown only if unknown to us,
    and never with the secret in them. `delegated`: a person signed in, or is to."""
    error, words = str(answer.get("error", "")), str(answer.get("error_description", ""))
    numbers = _numbers(answer.get("error_codes"), words)
    if error in _BUSY_ERRORS or _BUSY_NUMBERS.intersection(numbers):
        return ProviderUnavailable("the identity server cannot answer now", where=where)
    known = _meaning(error, numbers, delegated)
    if known is _WRONG_SECRET and _GUID.fullmatch(_secret(application).strip()):
        known = _SECRET_ID
    if known is not None:
        told = f" (AADSTS{numbers[0]})" if numbers else ""
        kind = SignInNeeded if known.person else SignInRefused
        return kind(f"{known.sentence}{told}", where=where, remedy=known.remedy, code=known.code)
    shown = _shown(words or error or "no reason given", application)
    remedy = "look the code up in Microsoft's list of sign-in errors"
    return SignInRefused(f"the identity server refuses: {shown}", where=where, remedy=remedy)


def _meaning(error: str, numbers: Sequence[int], delegated: bool) -> Meaning | None:
    table = {**_BY_NUMBER, **_BY_PERSON} if delegated else _BY_NUMBER
    known = next((table[number] for number in numbers if number in table), None)
    if known is None and delegated:
        known = _PERSON_ERRORS.get(error)
    return known or (_BY_ERROR.get(error) if not numbers else None)


def tenant_refused(where: str) -> SignInRefused:
    """The tenant's configuration could not be read."""
    return SignInRefused(_TENANT.sentence, where=where, remedy=_TENANT.remedy, code=_TENANT.code)


def _numbers(codes: object, words: str) -> list[int]:
    found = [int(match) for match in _NUMBER.findall(words)]
    if isinstance(codes, list):
        found = [code for code in codes if isinstance(code, int)] + found  # pyright: ignore[reportUnknownVariableType]  # JSON
    return found


def _shown(words: str, application: Application) -> str:
    secret = _secret(application)
    words = words.replace(secret, "[secret]") if secret else words
    return "".join(ch if ch.isprintable() else " " for ch in words)[:200].strip()


def _secret(application: Application) -> str:
    return application.client_secret.get_secret_value() if application.client_secret else ""
