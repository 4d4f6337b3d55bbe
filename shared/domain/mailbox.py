"""A mailbox: one IMAP account to read, how to reach it, and its rules (both tabs of the web page, every field).

Secrets never live in this model once it is stored: an inline `password` is taken out by `split_secrets` before
anything is written, and its place is taken by a reference (`passwordFrom: {stored: true}`).
"""

from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator

from shared.domain.patterns import AddressPattern, DomainPattern, normalise_address
from shared.domain.templates import WORDS, unknown_words
from shared.domain.value import Document, Slug


class Provider(StrEnum):
    """Who runs the mail server: decides presets and which sign-in is offered."""

    MICROSOFT = "microsoft"
    OTHER = "other"


class Module(StrEnum):
    """What a mail of this mailbox becomes."""

    TICKET = "ticket"
    REQUEST = "request"

    @property
    def prefix(self) -> str:
        """The prefix of the human number: `INC` for tickets, `REQ` for requests."""
        return {"ticket": "INC", "request": "REQ"}[self.value]


class Encryption(StrEnum):
    """How a connection is protected. There is no third value: clear text is never used.

    On screen `implicit_tls` is "SSL" (993, 465; RFC 8314) and `starttls` is "TLS" (143, 587; RFC 3207, RFC 9051).
    """

    IMPLICIT_TLS = "implicit_tls"
    STARTTLS = "starttls"


class SecretSource(Document):
    """Where a secret is read from: exactly one of a file, an environment variable, or our own encrypted store."""

    file: str | None = None
    env: str | None = None
    stored: bool = False

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum((self.file is not None, self.env is not None, self.stored)) != 1:
            raise ValueError("name exactly one of file, env or stored")
        return self


def _no_controls(text: object) -> object:
    """Refuse NUL, CR, LF and other control characters (command injection, RFC 9051 section 9)."""
    if isinstance(text, str) and any(ord(ch) < 0x20 or ord(ch) == 0x7F for ch in text):
        raise ValueError("must not contain control characters")
    return text


def _template(text: str) -> str:
    """Refuse what stands in braces and is no word, and control characters other than line ends and tabs."""
    if unknown := unknown_words(text):
        words = ", ".join(f"{{{word}}}" for word in WORDS)
        raise ValueError(f"must not hold {unknown[0][:40]}, which is no word of templates; write one of {words}")
    if any((ord(ch) < 0x20 and ch not in "\n\r\t") or ord(ch) == 0x7F for ch in text):
        raise ValueError("must not contain control characters")
    return text


def _email(text: object) -> object:
    if not isinstance(text, str):
        return text
    address = normalise_address(text)
    if address is None:
        raise ValueError("is not an email address")
    return address


def _host(text: object) -> object:
    if isinstance(text, str):
        text = text.strip().rstrip(".").lower()
        if not text or any(ch.isspace() or ch in "/:@[]" for ch in text):
            raise ValueError("is not a host name (write it without scheme, port or path)")
    return text


Template = Annotated[str, AfterValidator(_template)]
Clean = Annotated[str, BeforeValidator(_no_controls), Field(min_length=1, max_length=1024)]
EmailAddress = Annotated[str, BeforeValidator(_email), Field(max_length=254)]
HostName = Annotated[str, BeforeValidator(_host), Field(max_length=253)]
Port = Annotated[int, Field(ge=1, le=65535)]


class StartFrom(StrEnum):
    """What the first connection takes of the mail that is already there."""

    NOW = "now"
    ALL = "all"


class AfterFetchAction(StrEnum):
    """What happens to the server's copy, always last and only once the mail's decision is final."""

    NOTHING = "nothing"
    MARK_SEEN = "mark_seen"
    FLAG = "flag"
    MOVE = "move"
    DELETE = "delete"


DELETE_DAYS = 8
"""A day between backups of the store, and seven days to notice that one must be restored: until then the server's copy
is what brings forgotten mails back."""


class AfterFetch(Document):
    """The after-fetch action, the folder that `move` moves to, and how old the mail's end must be."""

    action: AfterFetchAction = AfterFetchAction.NOTHING
    folder: Clean | None = None
    after_days: Annotated[int, Field(ge=0, le=3650)] | None = Field(
        default=None, description="Days that the mail has been ours before. 8 for delete, otherwise 0."
    )

    @property
    def days(self) -> int:
        """`after_days`, or what the action has by default."""
        if self.after_days is not None:
            return self.after_days
        return DELETE_DAYS if self.action is AfterFetchAction.DELETE else 0

    @model_validator(mode="after")
    def _move_needs_folder(self) -> Self:
        if (self.action is AfterFetchAction.MOVE) != (self.folder is not None):
            raise ValueError("folder belongs to the action move, and move needs it")
        return self


class Imap(Document):
    """Incoming mail."""

    host: HostName
    port: Port = 993
    encryption: Encryption = Encryption.IMPLICIT_TLS
    folder: Clean = "INBOX"
    ca_file: str | None = Field(default=None, description="PEM file of a private CA; certificates are always verified.")
    start_from: StartFrom | date = StartFrom.NOW
    after_fetch: AfterFetch = AfterFetch()
    poll_seconds: Annotated[int, Field(ge=5, le=3600)] = Field(
        default=120, description="Safety poll beside IDLE, and the poll where the server has no IDLE."
    )

    @model_validator(mode="after")
    def _moves_elsewhere(self) -> Self:
        if self.after_fetch.folder == self.folder:
            raise ValueError("afterFetch.folder is the folder that is read: its mail would be moved for ever")
        return self


class Smtp(Document):
    """Outgoing mail, for acknowledgements."""

    host: HostName
    port: Port = 465
    encryption: Encryption = Encryption.IMPLICIT_TLS
    ca_file: str | None = None
    username: Clean | None = Field(default=None, description="Only if SMTP needs other credentials than IMAP.")
    password: SecretStr | None = None
    password_from: SecretSource | None = None

    @property
    def has_password(self) -> bool:
        """Whether it has a password of its own. Otherwise it is signed in to with the secret of `auth`."""
        return self.password is not None or self.password_from is not None


class BasicAuth(Document):
    """User name and password. The user name logs in where it is given, otherwise the email."""

    type: Literal["basic"] = "basic"
    username: Clean | None = None
    password: SecretStr | None = None
    password_from: SecretSource | None = None


class OAuth2MicrosoftAuth(Document):
    """Microsoft 365 by OAuth 2.0: an application (client credentials) or a signed-in person (delegated).

    A signed-in person needs no client secret if the application is a public client; an application always has one.
    """

    type: Literal["oauth2_microsoft"]
    flow: Literal["application", "delegated"] = "application"
    client_id: Clean
    tenant_id: Clean
    authority: Clean = "https://login.microsoftonline.com"
    client_secret: SecretStr | None = None
    client_secret_from: SecretSource | None = None
    client_secret_expires: date | None = None
    password: SecretStr | None = Field(default=None, description="Optional, for hybrid set-ups.")
    password_from: SecretSource | None = None

    @model_validator(mode="after")
    def _application_needs_its_secret(self) -> Self:
        if self.flow == "application" and not self.has_client_secret:
            raise ValueError(
                "flow application needs the client secret: add clientSecretFrom: {file: /path} or {env: NAME}, "
                "or set flow to delegated and let a person sign in"
            )
        return self

    @property
    def has_client_secret(self) -> bool:
        """Whether the application proves itself by a secret; one without is a public client."""
        return self.client_secret is not None or self.client_secret_from is not None


class ExchangeAuth(Document):
    """On-premises Exchange over IMAP; `domain_user` (`DOMAIN\\user`, or a UPN) where it differs from the email."""

    type: Literal["exchange"]
    domain_user: Clean | None = None
    password: SecretStr | None = None
    password_from: SecretSource | None = None


Auth = Annotated[BasicAuth | OAuth2MicrosoftAuth | ExchangeAuth, Field(discriminator="type")]


class Acknowledgements(Document):
    """The answer to the requester with the ticket number. Template words: {number}, {tag} (the number with the code
    by which an answer finds its ticket), {module}, {mailbox}, {service}, {department}, {subject}."""

    enabled: bool = True
    subject: Annotated[Template, BeforeValidator(_no_controls)] = Field(
        default="[{tag}] We received your mail", min_length=1, max_length=200
    )
    text: Template = Field(
        default="Thank you for your mail. We opened {number} for it and will come back to you.",
        min_length=1,
        max_length=10_000,
    )
    require_authenticated: bool = True


class ToClosed(StrEnum):
    """What a reply to a closed ticket does."""

    REOPEN = "reopen"
    NEW_TICKET = "new_ticket"


class Replies(Document):
    """How replies find their ticket."""

    to_closed: ToClosed = ToClosed.REOPEN
    plus_addressing: bool = False


class Machine(StrEnum):
    """What becomes of an automatic mail that is not about a mail of ours."""

    TICKET = "ticket"
    REJECT = "reject"


class AutomaticMail(Document):
    """Mail that no person wrote. What answers a mail of ours is a note on its ticket, whatever stands here."""

    bounces: Machine = Machine.TICKET
    out_of_office: Machine = Machine.TICKET
    lists: Machine = Machine.TICKET
    notices: Machine = Machine.TICKET


class Domains(Document):
    """The Domains tab: what may become a ticket, and where it goes."""

    impact_services: tuple[Slug, ...] = Field(
        default=(), description="Services this mailbox can impact. Empty: every service of the catalogue."
    )
    default_service: Slug | None = Field(default=None, description="Used where classification leaves it open.")
    classify_service_by_subject: bool = True
    allow_duplicates: bool = True
    duplicate_window_hours: Annotated[int, Field(ge=1, le=24 * 366)] = 24
    only_if_in_to: bool = False
    full_subject_match: bool = False
    subject_keywords: tuple[Clean, ...] = ()
    allow_process_classification: bool = False
    blocked_senders: tuple[AddressPattern, ...] = ()
    department: Slug | None = None
    approved_domains_only: bool = False
    approved_domains: tuple[DomainPattern, ...] = ()
    require_aligned_sender: bool = False

    @model_validator(mode="after")
    def _switches_have_their_lists(self) -> Self:
        if self.full_subject_match and not self.subject_keywords:
            raise ValueError("fullSubjectMatch is on but subjectKeywords is empty: no mail could ever pass")
        if self.approved_domains_only and not self.approved_domains:
            raise ValueError("approvedDomainsOnly is on but approvedDomains is empty: no mail could ever pass")
        return self


MOST_HOPS = 10
"""Most servers of our own that a mail may pass after the one that authenticates it."""


class MailboxSpec(Document):
    """Everything an administrator says about a mailbox."""

    enabled: bool = True
    provider: Provider = Provider.OTHER
    module: Module
    email: EmailAddress
    aliases: tuple[EmailAddress, ...] = ()
    imap: Imap
    smtp: Smtp | None = None
    auth: Auth = BasicAuth()
    acknowledgements: Acknowledgements = Acknowledgements()
    replies: Replies = Replies()
    automatic_mail: AutomaticMail = AutomaticMail()
    authserv_id: Clean | None = None
    authserv_hops: Annotated[int, Field(ge=0, le=MOST_HOPS)] = 0
    domains: Domains = Domains()

    @model_validator(mode="after")
    def _acknowledgements_need_smtp(self) -> Self:
        if self.acknowledgements.enabled and self.smtp is None:
            raise ValueError(
                "acknowledgements are on (the default) and need smtp: "
                "give smtp, or set acknowledgements.enabled to false"
            )
        return self

    @model_validator(mode="after")
    def _aligned_senders_need_a_server(self) -> Self:
        if self.domains.require_aligned_sender and self.authserv_id is None:
            raise ValueError(
                "domains.requireAlignedSender is on but authservId names no server: nobody could vouch for a sender, "
                "and no mail could ever pass"
            )
        return self

    @field_validator("aliases", mode="after")
    @classmethod
    def _distinct(cls, aliases: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(aliases))

    @property
    def addresses(self) -> frozenset[str]:
        """Every address that is this mailbox: its own and its aliases, normalised."""
        return frozenset((self.email, *self.aliases))

    @property
    def delegated(self) -> OAuth2MicrosoftAuth | None:
        """How a person signs in to Microsoft for this mailbox; None if nobody has to."""
        auth = self.auth
        return auth if isinstance(auth, OAuth2MicrosoftAuth) and auth.flow == "delegated" else None

    @property
    def client_secret_until(self) -> datetime | None:
        """When the client secret ends, as far as it was said: at the beginning of its last day, UTC."""
        day = self.auth.client_secret_expires if isinstance(self.auth, OAuth2MicrosoftAuth) else None
        return datetime.combine(day, time(), UTC) if day is not None else None

    @property
    def login(self) -> str:
        """The user name that logs in to IMAP."""
        match self.auth:
            case BasicAuth(username=str(name)) | ExchangeAuth(domain_user=str(name)):
                return name
            case _:
                return self.email

    @property
    def smtp_login(self) -> str:
        """The user name that logs in to SMTP."""
        return (self.smtp.username if self.smtp else None) or self.login


class Mailbox(Document):
    """A stored mailbox: its spec, and which revision of it this is."""

    name: Slug
    labels: dict[str, str] = Field(default_factory=dict[str, str])
    spec: MailboxSpec
    revision: int = 1
    managed_by: Literal["apply", "console", "cli"] = "cli"
    paused: bool = False

    @property
    def active(self) -> bool:
        """Whether it is to be fetched: enabled by its spec and not paused by an operator."""
        return self.spec.enabled and not self.paused


SECRET_FIELDS: tuple[tuple[str, str], ...] = (
    ("auth", "password"),
    ("auth", "client_secret"),
    ("smtp", "password"),
)
"""Every place a secret can stand in a spec, as (part, field)."""


def split_secrets(spec: MailboxSpec) -> tuple[MailboxSpec, dict[str, SecretStr]]:
    """Take inline secrets out of a spec.

    Returns the spec with `<field>_from: stored` in their place, and the secrets by `part.field`
    (for example `auth.password`). A spec without inline secrets comes back unchanged.
    """
    found: dict[str, SecretStr] = {}
    for part_name, field in SECRET_FIELDS:
        part = getattr(spec, part_name)
        secret = getattr(part, field, None)
        if isinstance(secret, SecretStr):
            found[f"{part_name}.{field}"] = secret
            stored = {field: None, f"{field}_from": SecretSource(stored=True)}
            spec = spec.model_copy(update={part_name: part.model_copy(update=stored)})
    return spec, found
