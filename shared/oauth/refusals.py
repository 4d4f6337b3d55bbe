"""Refusals of Microsoft's identity server in words. Pure.

Codes: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.errors import AutomatorError
from shared.oauth.errors import ProviderUnavailable, SignInRefused
from shared.oauth.values import Application


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means: our own code, a sentence, and what to do."""

    code: str
    sentence: str
    remedy: str


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
_BUSY_NUMBERS = frozenset({90033, 50196})
_BUSY_ERRORS = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_BY_ERROR: Mapping[str, Meaning] = {"invalid_client": _WRONG_SECRET, "unauthorized_client": _CLIENT}
_NUMBER = re.compile(r"AADSTS(\d{4,8})")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def refusal(answer: Mapping[str, object], application: Application, where: str) -> AutomatorError:
    """The error for a token endpoint's error answer (RFC 6749 section 5.2). Its words are shown only if unknown to us,
    and never with the secret in them."""
    error, words = str(answer.get("error", "")), str(answer.get("error_description", ""))
    numbers = _numbers(answer.get("error_codes"), words)
    if error in _BUSY_ERRORS or _BUSY_NUMBERS.intersection(numbers):
        return ProviderUnavailable("the identity server cannot answer now", where=where)
    known = next((_BY_NUMBER[number] for number in numbers if number in _BY_NUMBER), None)
    known = known or (_BY_ERROR.get(error) if not numbers else None)
    if known is _WRONG_SECRET and _GUID.fullmatch(application.client_secret.get_secret_value().strip()):
        known = _SECRET_ID
    if known is not None:
        told = f" (AADSTS{numbers[0]})" if numbers else ""
        return SignInRefused(f"{known.sentence}{told}", where=where, remedy=known.remedy, code=known.code)
    shown = _shown(words or error or "no reason given", application)
    remedy = "look the code up in Microsoft's list of sign-in errors"
    return SignInRefused(f"the identity server refuses: {shown}", where=where, remedy=remedy)


def tenant_refused(where: str) -> SignInRefused:
    """The tenant's configuration could not be read."""
    return SignInRefused(_TENANT.sentence, where=where, remedy=_TENANT.remedy, code=_TENANT.code)


def _numbers(codes: object, words: str) -> list[int]:
    found = [int(match) for match in _NUMBER.findall(words)]
    if isinstance(codes, list):
        found = [code for code in codes if isinstance(code, int)] + found  # pyright: ignore[reportUnknownVariableType]  # JSON
    return found


def _shown(words: str, application: Application) -> str:
    secret = application.client_secret.get_secret_value()
    line = "".join(ch if ch.isprintable() else " " for ch in words.replace(secret, "[secret]"))
    return line[:200].strip()
