"""Back-tests: what would have become of the last mails under rules that are not saved; and what keywords would catch.

Told as server-sent events, each change as it is found, or as one JSON document. Nothing of the rules is kept.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from services.console import keywords as catching
from services.console.api import bodies
from services.console.api.caller import Asking, Caller
from services.console.api.following import followed
from services.console.api.mailbox_tests import EVENTS, HEARTBEAT_SECONDS, wants_json
from services.console.api.mailboxes import Name, find
from services.console.api.surroundings import Here, Surroundings
from services.console.backtest import Change, Progress, Result, Told, Wanted, backtest
from services.console.ends import End
from services.console.rules import Rules, saved, unsaved
from shared.domain.catalogue import Process, Service
from shared.domain.value import Document
from shared.store.rates import TooOften

LIMIT: Final = 10
SPAN: Final = timedelta(minutes=1)
BUSY_SECONDS: Final = 10


class EndView(Document):
    """How a mail ended or would end. `outcome` is one word for it; a ticket that is not there has `…` in its number."""

    outcome: str
    kind: str
    reason: str | None
    sentence: str
    number: str | None
    service: str | None = None
    process: str | None = None
    department: str | None = None
    priority: str | None = None

    @classmethod
    def of(cls, end: End) -> "EndView":
        """An end."""
        place = end.classification.model_dump(mode="json") if end.classification else {}
        return cls(
            outcome=end.outcome,
            kind=end.kind,
            reason=end.reason,
            sentence=end.sentence,
            number=end.number,
            **place,
        )


class BacktestChange(Document):
    """A mail that would end differently: `old` by the books, `new` under the rules that are tried, and `today` under
    the saved ones where that is not `old`. `why` are the sentences that decided."""

    mail_id: str
    mailbox: str
    sender: str | None
    subject: str
    received_at: datetime
    old: EndView
    new: EndView
    today: EndView | None
    why: tuple[str, ...]

    @classmethod
    def of(cls, one: Change) -> "BacktestChange":
        """A change."""
        return cls(
            mail_id=one.entry.mail_id,
            mailbox=one.entry.origin.mailbox,
            sender=one.entry.headline.sender,
            subject=one.entry.headline.subject,
            received_at=one.entry.origin.internal_date,
            old=EndView.of(one.old),
            new=EndView.of(one.new),
            today=EndView.of(one.today) if one.today else None,
            why=one.why,
        )


class BacktestProgress(Document):
    """So many of the mails are done."""

    done: int
    of: int


class BacktestResult(Document):
    """The sum: `changed` mails end otherwise than in the books, `byRules` otherwise than under the saved rules. Counts
    by outcome; `today` is null where the saved rules give what the books say. `untested` counts mails by why they could
    not be tried: `raw_missing`, `mailbox_gone`, `ticket_gone`."""

    examined: int
    changed: int
    by_rules: int
    old: dict[str, int]
    new: dict[str, int]
    today: dict[str, int] | None
    untested: dict[str, int]

    @classmethod
    def of(cls, one: Result) -> "BacktestResult":
        """A result."""
        return cls(**asdict(one))


class BacktestView(BacktestResult):
    """The sum, and every mail that would end differently."""

    changes: tuple[BacktestChange, ...]


class CatchView(Document):
    """A subject that a keyword stands in, and which service or process takes it: by the saved catalogue, and with these
    keywords."""

    mail_id: str
    mailbox: str
    sender: str | None
    subject: str
    now: str | None
    new: str | None


class CaughtView(Document):
    """How many subjects a keyword stands in, and the newest of them."""

    keyword: str
    subjects: int
    newest: tuple[CatchView, ...]


class KeywordsView(Document):
    """What each keyword catches. `unsearched` are mails of mailboxes that do not look for this service or process."""

    searched: int
    unsearched: int
    keywords: tuple[CaughtView, ...]


EVENT: Final = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["progress", "change", "result"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "oneOf": [
                    BacktestProgress.model_json_schema(by_alias=True),
                    {"$ref": "#/components/schemas/BacktestChange"},
                    BacktestResult.model_json_schema(by_alias=True),
                ]
            },
        },
    },
}
"""One event of the stream."""


async def mailbox(here: Here, asking: Caller, request: Request, name: Name) -> Response:
    """Tell what would have become of the last mails of a mailbox under other values for it. Nothing is saved."""
    await find(here, name)
    documents, span = bodies.backtest_of_mailbox(await bodies.read(request), name)
    rules = await saved(here.store)
    wanted = Wanted((name,), span.last, span.since)
    return await _answer(here, asking, request, rules, unsaved(rules, documents), wanted)


async def catalogue(here: Here, asking: Caller, request: Request) -> Response:
    """Tell what would have become of the last mails, of one mailbox or of all, under another catalogue."""
    documents, span, name = bodies.backtest_of_catalogue(await bodies.read(request))
    if name is not None:
        await find(here, name)
    rules = await saved(here.store)
    new = unsaved(rules, documents, whole_catalogue=True)
    wanted = Wanted(None if name is None else (name,), span.last, span.since)
    return await _answer(here, asking, request, rules, new, wanted)


async def keywords(here: Here, request: Request) -> KeywordsView:
    """Tell which recent subjects each keyword of a service or process would catch, and who takes them."""
    wanted = bodies.keywords(await bodies.read(request))
    if wanted.mailbox is not None:
        await find(here, wanted.mailbox)
    model = Service if wanted.kind == "service" else Process
    item = model(name=wanted.name, keywords=wanted.keywords)
    found = await catching.catches(here.store, item, wanted.mailbox, wanted.last)
    return KeywordsView(
        searched=found.searched,
        unsearched=found.unsearched,
        keywords=tuple(
            CaughtView(
                keyword=one.keyword,
                subjects=one.subjects,
                newest=tuple(CatchView(**catch.mail._asdict(), now=catch.now, new=catch.new) for catch in one.newest),
            )
            for one in found.keywords
        ),
    )


async def _answer(
    here: Surroundings, asking: Asking, request: Request, rules: Rules, new: Rules, wanted: Wanted
) -> Response:
    work = await admitted(here, asking.who, rules, new, wanted)
    if wants_json(request.headers.get("accept", "")):
        return await _document(here, request, work)
    return StreamingResponse(_events(here, work), media_type=EVENTS, headers={"X-Accel-Buffering": "no"})


async def admitted(here: Surroundings, who: str, rules: Rules, new: Rules, wanted: Wanted) -> AsyncGenerator[Told]:
    """A back-test that has taken its turn and is begun. Raises TooOften, StoreUnavailable."""
    work = _alone(here, who, backtest(here.store, rules, new, wanted))
    return _resumed(await anext(work), work)


async def _alone(here: Surroundings, who: str, work: AsyncGenerator[Told]) -> AsyncGenerator[Told]:
    """The same, known as running from its beginning until it has ended."""
    if who in here.trying:
        raise TooOften("one back-test at a time: yours is still running", BUSY_SECONDS)
    here.trying.add(who)
    try:
        await here.store.rates.take("back-tests", who, LIMIT, SPAN)
        async with aclosing(work):
            async for one in work:
                yield one
    finally:
        here.trying.discard(who)


async def _resumed(first: Told, rest: AsyncGenerator[Told]) -> AsyncGenerator[Told]:
    """What was begun, from its first word on. Dropped before anybody asks for that, it ends all the same: `rest` runs
    already, so that the event loop closes it."""
    async with aclosing(rest):
        yield first
        async for one in rest:
            yield one


async def _events(here: Surroundings, work: AsyncGenerator[Told]) -> AsyncIterator[str]:
    async with aclosing(followed(work, HEARTBEAT_SECONDS, here.running)) as news:
        async for one in news:
            yield ": still working\n\n" if one is None else _event(one)


def _event(one: Told) -> str:
    match one:
        case Progress(done, of):
            name, view = "progress", BacktestProgress(done=done, of=of)
        case Change():
            name, view = "change", BacktestChange.of(one)
        case Result():
            name, view = "result", BacktestResult.of(one)
    return f"event: {name}\ndata: {view.model_dump_json(by_alias=True)}\n\n"


async def _document(here: Surroundings, request: Request, work: AsyncGenerator[Told]) -> Response:
    """All at once. It too ends when the client has gone away."""
    changes, sums = list[BacktestChange](), dict[str, Any]()
    async with aclosing(followed(work, 1.0, here.running)) as news:
        async for one in news:
            if (one is None or isinstance(one, Progress)) and await request.is_disconnected():
                return Response(status_code=204)
            if isinstance(one, Change):
                changes.append(BacktestChange.of(one))
            elif isinstance(one, Result):
                sums = asdict(one)
    return JSONResponse(BacktestView(**sums, changes=tuple(changes)).model_dump(mode="json", by_alias=True))
