"""Request bodies: bounded, strict JSON, then the very validation that YAML documents go through."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, TypeVar, cast

import orjson
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, StringConstraints, ValidationError
from starlette.requests import Request

from services.console import backtest
from services.console import keywords as keywords_
from services.console.api.problems import Refused
from services.console.configuration.documents import API_VERSION, Documents, Metadata, parse
from services.console.configuration.problems import ConfigurationProblems, Position, problems_of
from services.console.configuration.source import RawDocument
from shared.domain.access import Role
from shared.domain.catalogue import Department, Keyword, Process, Service
from shared.domain.mailbox import MailboxSpec
from shared.domain.value import Document, Slug

M = TypeVar("M", bound=BaseModel)
MAX_BYTES = 1024 * 1024
SOURCE = "request body"
_KINDS = {"departments": "Department", "services": "Service", "processes": "Process"}


class MailboxBody(Document):
    """A mailbox as it is sent: the `metadata` and `spec` of its YAML document. Secrets go in and never come out."""

    metadata: Metadata
    spec: MailboxSpec


class CatalogueBody(Document):
    """The whole catalogue: what is not named is gone. The order is the catalogue's order."""

    departments: tuple[Department, ...] = ()
    services: tuple[Service, ...] = ()
    processes: tuple[Process, ...] = ()


class Span(Document):
    """Which mails are looked at: the newest `last`, that came in since an instant."""

    last: int = Field(default=backtest.USUAL, ge=1, le=backtest.LIMIT)
    since: AwareDatetime | None = None


class BacktestBody(MailboxBody, Span):
    """A mailbox that is not saved, as for saving it, and on which of its mails it is tried."""


class CatalogueBacktestBody(CatalogueBody, Span):
    """A whole catalogue that is not saved, and on which mails it is tried: of one mailbox, or of all."""

    mailbox: Slug | None = None


class KeywordsBody(Document):
    """The keywords of a service or process, saved or not, and in how many subjects (of one mailbox, or of all mails)
    they are looked for."""

    kind: Literal["service", "process"]
    name: Slug
    keywords: Annotated[tuple[Keyword, ...], Field(min_length=1, max_length=500)]
    mailbox: Slug | None = None
    last: int = Field(default=keywords_.USUAL, ge=1, le=keywords_.LIMIT)


class RollBackBody(Document):
    """The revision whose configuration is to be the newest again."""

    revision: int = Field(ge=1, le=2**31 - 1)


def _day(given: object) -> date:
    if isinstance(given, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
        return date.fromisoformat(given)
    raise ValueError("give a day as 2026-10-01")


Day = Annotated[date, BeforeValidator(_day)]


class ImportBody(Document):
    """Which mails from before a mailbox began: those that arrived on a day or later, as its mail server counts days, or
    all. `dryRun` only counts them."""

    since: Day | None = None
    dry_run: bool = False


class TokenBody(Document):
    """Whose token is to be made, what it may do, and for how many days (for ever if none are given)."""

    name: str = Field(pattern=r"^[^\x00-\x1f\x7f]{1,100}$")
    role: Role = Role.VIEWER
    days: int | None = Field(default=None, ge=1, le=3650)


Sentence = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f]$", max_length=500)]
"""Why somebody wants it, in one line: kept in the trace and in the audit log."""


class ReplayBody(Document):
    """Why a mail is sent again; `asTicket` overrules the filter this once; `dryRun` only says what would change."""

    why: Sentence
    as_ticket: bool = False
    dry_run: bool = False


class ReplaysBody(Document):
    """Which mails are sent again: rejected ones (or those in quarantine), of a mailbox, entered between two instants,
    that ended for a reason; at most `limit`, oldest first. Only those that would end differently are sent."""

    why: Sentence
    mailbox: Slug | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    reason: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,60}$")] | None = None
    quarantined: bool = False
    limit: int = Field(default=100, ge=1, le=200)
    dry_run: bool = False


class DiscardBody(Document):
    """Why a mail in quarantine is discarded."""

    reason: Sentence


class _OfMailbox(Document):
    mailbox: Slug | None = None


BODIES: tuple[type[BaseModel], ...] = (
    MailboxBody,
    CatalogueBody,
    BacktestBody,
    CatalogueBacktestBody,
    KeywordsBody,
    RollBackBody,
    ImportBody,
    TokenBody,
    ReplayBody,
    ReplaysBody,
    DiscardBody,
)
"""Every body there is, for the OpenAPI document."""


async def read(request: Request) -> bytes:
    """The bytes of the body. Raises Refused 413 and 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "the body is not JSON", remedy="send Content-Type: application/json", code="not_json")
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MAX_BYTES:
            raise Refused(413, "the body is over 1 MiB", remedy="send less", code="body_too_large")
    return bytes(found)


def mailbox(data: bytes, name: str | None = None) -> Documents:
    """The one mailbox of a body, validated as a document is. Raises ConfigurationProblems, Refused."""
    return _mailbox(_mapping(data), name)


def backtest_of_mailbox(data: bytes, name: str) -> tuple[Documents, Span]:
    """The mailbox that is tried, and on which mails. Raises ConfigurationProblems, Refused."""
    content = _mapping(data)
    span = _span(content)
    return _mailbox(content, name), span


def backtest_of_catalogue(data: bytes) -> tuple[Documents, Span, str | None]:
    """The catalogue that is tried, and on which mails: of that mailbox, or of all. Raises as above."""
    content = _mapping(data)
    of = _checked(_OfMailbox, {"mailbox": content.pop("mailbox", None)})
    span = _span(content)
    return _catalogue(content), span, of.mailbox


def keywords(data: bytes) -> KeywordsBody:
    """The keywords that are looked for. Raises ConfigurationProblems, Refused."""
    return _valid(KeywordsBody, data)


def _span(content: dict[str, object]) -> Span:
    return _checked(Span, {name: content.pop(name) for name in ("last", "since") if name in content})


def _mailbox(content: dict[str, object], name: str | None) -> Documents:
    _only(content, ("metadata", "spec"))
    if name is not None:
        given = content.setdefault("metadata", {"name": name})
        if isinstance(given, dict) and cast("dict[str, object]", given).get("name") != name:
            what, remedy = "the name in the body is not the one in the path", "a mailbox keeps its name"
            raise Refused(422, what, where=f"{SOURCE}, metadata.name", remedy=remedy, code="other_name")
    document = {"apiVersion": API_VERSION, "kind": "Mailbox", **content}
    return parse([RawDocument(document, Position(SOURCE, 1))])


def catalogue(data: bytes) -> Documents:
    """All documents of a catalogue body. Raises ConfigurationProblems, Refused."""
    return _catalogue(_mapping(data))


def _catalogue(content: dict[str, object]) -> Documents:
    _only(content, tuple(_KINDS))
    documents = [_item(kind, one) for part, kind in _KINDS.items() for one in _list(content, part)]
    return parse([RawDocument(one, Position(SOURCE, number)) for number, one in enumerate(documents, 1)])


def roll_back(data: bytes) -> int:
    """The revision to go back to. Raises ConfigurationProblems, Refused."""
    return _valid(RollBackBody, data).revision


def import_(data: bytes) -> ImportBody:
    """Which old mails are to be taken. Raises ConfigurationProblems, Refused."""
    return _valid(ImportBody, data)


def token(data: bytes) -> TokenBody:
    """The token that is to be made. Raises ConfigurationProblems, Refused."""
    return _valid(TokenBody, data)


def replay(data: bytes) -> ReplayBody:
    """How one mail is to be sent again. Raises ConfigurationProblems, Refused."""
    return _valid(ReplayBody, data)


def replays(data: bytes) -> ReplaysBody:
    """Which mails are to be sent again. Raises ConfigurationProblems, Refused."""
    return _valid(ReplaysBody, data)


def discard(data: bytes) -> DiscardBody:
    """Why a mail is to be discarded. Raises ConfigurationProblems, Refused."""
    return _valid(DiscardBody, data)


def _valid(model: type[M], data: bytes) -> M:
    return _checked(model, _mapping(data))


def _checked(model: type[M], content: Mapping[str, object]) -> M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigurationProblems(problems_of(error, model, Position(SOURCE, 1), ())) from None


def _mapping(data: bytes) -> dict[str, object]:
    try:
        content: object = orjson.loads(data)
    except ValueError:
        raise Refused(400, "the body is not valid JSON", remedy="check quotes and commas", code="not_json") from None
    if not isinstance(content, dict):
        raise Refused(422, "the body is not a JSON object", where=SOURCE, code="invalid")
    return cast("dict[str, object]", content)


def _only(content: Mapping[str, object], known: tuple[str, ...]) -> None:
    strange = [one for one in content if one not in known]
    if strange:
        raise ConfigurationProblems(
            [
                Position(SOURCE, 1).problem(f'unknown field "{one[:63]}"', f"known here: {', '.join(known)}")
                for one in strange
            ]
        )


def _list(content: Mapping[str, object], part: str) -> list[object]:
    found = content.get(part, [])
    if not isinstance(found, list):
        raise ConfigurationProblems([Position(SOURCE, 1).problem(f"{part} must be a list", "write [ ... ]")])
    return cast("list[object]", found)


def _item(kind: str, one: object) -> dict[str, Any]:
    if not isinstance(one, dict):
        raise ConfigurationProblems([Position(SOURCE, 1).problem(f"a {kind} is not an object", "write { ... }")])
    rest = dict(cast("dict[str, object]", one))
    name = {"name": rest.pop("name")} if "name" in rest else {}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": name, "spec": rest}
