"""Which identity servers may be given a secret. Pure.

msal asks whatever address it is given; so the allow-list is ours (reliability, security rules, "Test connection" 9).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from shared.domain.errors import ConfigurationError
from shared.oauth.errors import AuthorityRefused
from shared.oauth.settings import OAuthSettings

WORLD = "https://outlook.office365.com"
RESOURCES = {
    "https://login.microsoftonline.com": WORLD,
    "https://login.microsoftonline.us": "https://outlook.office365.us",
    "https://login.partner.microsoftonline.cn": "https://partner.outlook.cn",
    "https://login.chinacloudapi.cn": "https://partner.outlook.cn",
}
"""Exchange Online as each cloud's identity server knows it: the world, the US government, and China (two names).

Identity servers: https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud. Exchange:
https://learn.microsoft.com/microsoft-365/enterprise/microsoft-365-endpoints, and its pages for U.S. Government GCC
High and for 21Vianet. A private identity server is asked as the world's is.
"""
MICROSOFT = frozenset(RESOURCES)
_TENANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")
_SHARED = frozenset({"common", "organizations", "consumers"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where to ask: the tenant's address, the origins that may be talked to, the CA file that is trusted there, and
    what Exchange Online is called there."""

    url: str
    origins: frozenset[str]
    ca_file: Path | None
    resource: str = WORLD

    @property
    def application_scopes(self) -> list[str]:
        """What an application asks for: all that it was granted."""
        return [f"{self.resource}/.default"]

    @property
    def delegated_scopes(self) -> list[str]:
        """What a person is asked to consent to; msal adds `offline_access` by itself."""
        return [f"{self.resource}/IMAP.AccessAsUser.All", f"{self.resource}/SMTP.Send"]


class Authorities:
    """The allow-list."""

    def __init__(self, extra: Iterable[str] = (), ca_file: Path | None = None) -> None:
        self._private = frozenset(_setting(one) for one in extra)
        self._ca_file = ca_file

    @classmethod
    def of(cls, settings: OAuthSettings) -> "Authorities":
        """As the settings say. Raises ConfigurationError."""
        named = (one.strip() for one in settings.authorities.split(","))
        return cls([one for one in named if one], settings.ca_file)

    def place(self, authority: str, tenant: str, where: str) -> Place:
        """Where this tenant is asked for tokens. Raises AuthorityRefused, ConfigurationError."""
        _check_tenant(tenant, where)
        address = authority if "://" in authority else f"https://{authority}"
        origin = origin_of(address)
        if origin is None or origin not in MICROSOFT | self._private:
            raise AuthorityRefused(
                f"{authority!r} is not an identity server that secrets may be sent to",
                where=where,
                remedy="use https://login.microsoftonline.com, the address of your national cloud, or add a private "
                "server to MAIL_AUTOMATOR_OAUTH_AUTHORITIES",
            )
        if urlsplit(address).path.strip("/") not in ("", tenant):
            raise AuthorityRefused(
                f"the authority {authority!r} names a path", where=where, remedy=f"write {origin}, and the tenant apart"
            )
        private = origin in self._private
        allowed, ca_file = (self._private, self._ca_file) if private else (MICROSOFT, None)
        return Place(f"{origin}/{tenant}", allowed, ca_file, RESOURCES.get(origin, WORLD))


def origin_of(url: str) -> str | None:
    """`https://host` or `https://host:port`, lower-case; None for anything that is not plain https."""
    try:
        return _origin(urlsplit(url))
    except ValueError:
        return None


def _origin(split: SplitResult) -> str | None:
    """Raises ValueError for a port or address that is none."""
    port = split.port
    if split.scheme != "https" or not split.hostname or split.username is not None or split.password is not None:
        return None
    return f"https://{split.hostname.lower()}" + (f":{port}" if port not in (None, 443) else "")


def _setting(address: str) -> str:
    origin = origin_of(address)
    if origin is None or urlsplit(address).path.strip("/"):
        raise ConfigurationError(
            "an authority must be an address such as https://login.corp.example, without a path",
            where="MAIL_AUTOMATOR_OAUTH_AUTHORITIES",
            remedy="separate several by commas",
            code="settings_invalid",
        )
    return origin


def _check_tenant(tenant: str, where: str) -> None:
    if not _TENANT.fullmatch(tenant) or tenant.lower() in _SHARED:
        raise ConfigurationError(
            "tenantId does not name one tenant",
            where=where,
            remedy="enter the Directory (tenant) ID of the app registration, or the tenant's domain",
            code="oauth_tenant_invalid",
        )
