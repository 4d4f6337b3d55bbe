"""What a sign-in is made of: its kind, who signs in, and at which server. Values only; no repr shows them."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from pydantic import SecretStr

from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import BasicAuth, ExchangeAuth, MailboxSpec, OAuth2MicrosoftAuth

Service = Literal["imap", "smtp"]


class Kind(StrEnum):
    """What there is to sign in with."""

    BASIC = "basic"
    EXCHANGE = "exchange"
    TOKEN = "token"  # noqa: S105 - a kind, no token


def own_smtp_password(spec: MailboxSpec) -> bool:
    """Whether SMTP has a password of its own."""
    return spec.smtp is not None and spec.smtp.has_password


def kind_of(spec: MailboxSpec, service: Service) -> Kind:
    """What a mailbox signs in to one of its servers with: as its authentication type says; with an SMTP password of
    its own never a token."""
    match spec.auth:
        case OAuth2MicrosoftAuth():
            return Kind.BASIC if service == "smtp" and own_smtp_password(spec) else Kind.TOKEN
        case ExchangeAuth():
            return Kind.EXCHANGE
        case BasicAuth():
            return Kind.BASIC


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name, and a password or an access token. UTF-8 on the wire, byte for byte as given: SASLprep (RFC 4013)
    is left out on purpose, because it would change passwords that servers compare byte for byte.

    Raises ConfigurationError for what no mechanism carries: NUL (RFC 4616 section 2, RFC 9051 section 9), and text
    that is not Unicode, such as an environment variable in another encoding.
    """

    user: str = field(repr=False)
    secret: SecretStr = field(repr=False)

    def __post_init__(self) -> None:
        _refuse_unusable("user name", self.user, "user_name_unusable")
        _refuse_unusable("password", self.secret.get_secret_value(), "secret_unusable")


@dataclass(frozen=True, slots=True)
class Peer:
    """The server as it was verified: for mechanisms that name it, or bind themselves to its certificate (DER)."""

    service: Service
    host: str
    certificate: bytes | None = field(default=None, repr=False)


class MechanismFailed(Exception):
    """A mechanism cannot go on with what the server said. Holds no word of either side."""


def _refuse_unusable(what: str, text: str, code: str) -> None:
    if "\0" in text:
        reason = "contains a NUL character"
    elif any("\ud800" <= one <= "\udfff" for one in text):
        reason = "is not valid UTF-8"
    else:
        return
    raise ConfigurationError(f"the {what} {reason}: no server takes it", remedy=f"give another {what}", code=code)
