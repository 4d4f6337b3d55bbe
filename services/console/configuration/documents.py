"""The documents people write (`apiVersion: mail-automator/v1`), parsed to domain values. Reads no store.

Each error is one line: file, document, path of the field, what is wrong, what to do.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, TypeVar, cast

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from services.console.configuration.problems import ConfigurationProblems, Path, Position, problems_of, suggest
from services.console.configuration.source import RawDocument
from shared.domain.catalogue import Department, Process, Service
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import SECRET_FIELDS, BasicAuth, ExchangeAuth, MailboxSpec, OAuth2MicrosoftAuth
from shared.domain.value import Document, Slug

API_VERSION = "mail-automator/v1"
KINDS: dict[str, type[BaseModel]] = {
    "Department": Department,
    "Service": Service,
    "Process": Process,
    "Mailbox": MailboxSpec,
}
"""Every kind of document, in the order export writes them."""

CatalogueItem = Department | Service | Process
E = TypeVar("E")


LabelKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_/-]{0,61}[A-Za-z0-9])?$")]
"""No dots and no dollars: a store reads those in keys as paths and operators."""


class Metadata(Document):
    """The name of the thing, and labels of one's own."""

    name: Slug
    labels: dict[LabelKey, Annotated[str, StringConstraints(max_length=255)]] = Field(default_factory=dict[str, str])


class Envelope(Document):
    """What every document has around its `spec`."""

    api_version: Literal["mail-automator/v1"]
    kind: Literal["Mailbox", "Service", "Process", "Department"]
    metadata: Metadata
    spec: dict[str, object] = Field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class MailboxDocument:
    """A mailbox as written. Inline secrets are still in its spec."""

    name: str
    labels: dict[str, str]
    spec: MailboxSpec
    position: Position


@dataclass(frozen=True, slots=True)
class CatalogueDocument:
    """A department, service or process as written."""

    item: CatalogueItem
    position: Position
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Documents:
    """All that was given, in its order. `warnings` are lines for people about what works but should not be so."""

    mailboxes: tuple[MailboxDocument, ...] = ()
    catalogue: tuple[CatalogueDocument, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that occur."""
        found = {type(one.item).__name__ for one in self.catalogue}
        return frozenset(found | ({"Mailbox"} if self.mailboxes else set()))


def parse(raw: Iterable[RawDocument]) -> Documents:
    """The domain values of all documents. Raises ConfigurationProblems with every problem at once."""
    mailboxes: list[MailboxDocument] = []
    catalogue: list[CatalogueDocument] = []
    problems: list[ConfigurationError] = []
    for one in raw:
        try:
            match _document(one):
                case MailboxDocument() as mailbox:
                    mailboxes.append(mailbox)
                case CatalogueDocument() as item:
                    catalogue.append(item)
        except ConfigurationProblems as error:
            problems.extend(error.problems)
    problems += _given_twice((f"Mailbox {one.name}", one.position) for one in mailboxes)
    problems += _given_twice((f"{type(one.item).__name__} {one.item.name}", one.position) for one in catalogue)
    if problems:
        raise ConfigurationProblems(problems)
    warnings = tuple(line for one in mailboxes for line in _inline_warnings(one))
    return Documents(tuple(mailboxes), tuple(catalogue), warnings)


def _document(raw: RawDocument) -> MailboxDocument | CatalogueDocument:
    envelope, position = _envelope(raw)
    metadata = envelope.metadata
    if envelope.kind == "Mailbox":
        spec = _checked(MailboxSpec, envelope.spec, position)
        problems = list(secret_problems(spec, position))
        if problems:
            raise ConfigurationProblems(problems)
        return MailboxDocument(metadata.name, metadata.labels, spec, position)
    if "name" in envelope.spec:
        raise ConfigurationProblems(
            [position.problem('unknown field "name"', "it stands in metadata.name", ("spec", "name"))]
        )
    model = cast("type[CatalogueItem]", KINDS[envelope.kind])
    item = _checked(model, {"name": metadata.name, **envelope.spec}, position)
    return CatalogueDocument(item, position, metadata.labels)


def _envelope(raw: RawDocument) -> tuple[Envelope, Position]:
    position = replace(raw.position, title=_title(raw.content))
    given = raw.content
    if not isinstance(given, dict):
        raise ConfigurationProblems(
            [position.problem("document is not a mapping", f"start it with apiVersion: {API_VERSION}")]
        )
    content = cast("dict[object, object]", given)
    early = _early_problem(content, position)
    if early is not None:
        raise ConfigurationProblems([early])
    try:
        return Envelope.model_validate(content), position
    except ValidationError as error:
        raise ConfigurationProblems(problems_of(error, Envelope, position, ())) from None


def _early_problem(content: dict[object, object], position: Position) -> ConfigurationError | None:
    """What would make every other message misleading: no or another version, an unknown kind."""
    version, kind = content.get("apiVersion"), content.get("kind")
    if version is None:
        return position.problem('field "apiVersion" is missing', f"add apiVersion: {API_VERSION}")
    if version != API_VERSION:
        return position.problem('"apiVersion" is not one this program reads', f"write {API_VERSION}", ("apiVersion",))
    if kind is None:
        return position.problem('field "kind" is missing', f"add one of {', '.join(KINDS)}")
    if not isinstance(kind, str) or kind not in KINDS:
        remedy = suggest(str(kind), KINDS, f"write one of {', '.join(KINDS)}")
        return position.problem('unknown "kind"', remedy, ("kind",))
    return None


def _title(content: object) -> str:
    if not isinstance(content, dict):
        return ""
    whole = cast("dict[str, object]", content)
    metadata = whole.get("metadata")
    name = cast("dict[str, object]", metadata).get("name") if isinstance(metadata, dict) else None
    return " ".join(str(part)[:63] for part in (whole.get("kind"), name) if isinstance(part, str))


M = TypeVar("M", bound=BaseModel)


def _checked(model: type[M], spec: dict[str, object], position: Position) -> M:
    try:
        return model.model_validate(spec)
    except ValidationError as error:
        raise ConfigurationProblems(problems_of(error, model, position)) from None


def secret_problems(spec: MailboxSpec, position: Position) -> Iterator[ConfigurationError]:
    """A secret that is missing, or given twice."""
    for part_name, field_name in SECRET_FIELDS:
        part = getattr(spec, part_name)
        outside = _camel(field_name)
        path: Path = ("spec", part_name, outside)
        inline = getattr(part, field_name, None) is not None
        source = getattr(part, f"{field_name}_from", None) is not None
        if inline and source:
            yield position.problem(f"{outside} and {outside}From are both given", "keep one of the two", path)
        elif not inline and not source and needs_secret(spec, part_name, field_name):
            remedy = f"add {outside}From: {{file: /path}} or {{env: NAME}}"
            yield position.problem(f"secret {outside} is missing", remedy, path)


def needs_secret(spec: MailboxSpec, part: str, field_name: str) -> bool:
    """Whether a mailbox cannot work without this secret."""
    match (part, field_name):
        case ("auth", "password"):
            return isinstance(spec.auth, BasicAuth | ExchangeAuth)
        case ("auth", "client_secret"):
            return isinstance(spec.auth, OAuth2MicrosoftAuth) and spec.auth.flow == "application"
        case _:
            return spec.smtp is not None and spec.smtp.username is not None


def _inline_warnings(document: MailboxDocument) -> Iterator[str]:
    for part_name, field_name in SECRET_FIELDS:
        if getattr(getattr(document.spec, part_name), field_name, None) is not None:
            name = _camel(field_name)
            where = document.position.where(("spec", part_name, name))
            yield f"a secret stands in the file ({where}) -> use {name}From: {{file: /path}} or {{env: NAME}}"


def _given_twice(named: Iterable[tuple[str, Position]]) -> Iterator[ConfigurationError]:
    first: dict[str, Position] = {}
    for title, position in named:
        if title in first:
            remedy = f"keep one of the two; the first is at {first[title].where()}"
            yield position.problem("given twice", remedy, ("metadata", "name"))
        first.setdefault(title, position)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)
