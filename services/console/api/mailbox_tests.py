"""Test a mailbox, unsaved or stored, and tell each step as it ends: as server-sent events, or as one JSON document.

Everything that refuses a request is said before the test begins. The rules on where a test may connect, and that a
stored secret goes nowhere else, are the probe's.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Final

from fastapi import Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from services.console import testing
from services.console.api import bodies
from services.console.api.caller import Asking, Caller, has_body
from services.console.api.following import followed
from services.console.api.mailboxes import Name, find
from services.console.api.problems import Refused
from services.console.api.sources import check_sources
from services.console.api.surroundings import Here, Surroundings
from services.console.api.views import TestEnd, TestView
from services.console.probe.checklist import probe
from services.console.probe.steps import Outcome, StepResult
from shared.domain.mailbox import Mailbox
from shared.runtime.clock import Clock
from shared.store.mailboxes import stored_fields

EVENTS: Final = "text/event-stream"
EVENT: Final = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["step", "end"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"oneOf": [{"$ref": "#/components/schemas/StepResult"}, TestEnd.model_json_schema()]},
        },
    },
}
"""One event of the stream: OpenAPI 3.1 has `schema` describe each of them."""
HEARTBEAT_SECONDS: Final = 3.0


async def unsaved(here: Here, asking: Caller, request: Request) -> Response:
    """Test a mailbox that is not stored. The body is that of creating it; nothing of it is kept."""
    (given,) = bodies.mailbox(await bodies.read(request)).mailboxes
    check_sources(asking.role, given.name, given.spec, None)
    if stored_fields(given.spec):
        remedy = f"give the secret itself, or test the stored mailbox: POST /api/v1/mailboxes/{given.name}/test"
        raise Refused(422, "values that are not stored have no stored secret", remedy=remedy, code="secret_missing")
    return await _answer(here, asking, request, testing.UNSAVED, Mailbox(name=given.name, spec=given.spec))


async def stored(here: Here, asking: Caller, request: Request, name: Name) -> Response:
    """Test a stored mailbox. With a body its values are tested, with the secrets that are stored.

    A stored secret is used only for the host, port, encryption and user that it was given for.
    """
    mailbox = await find(here, name)
    if has_body(request):
        (given,) = bodies.mailbox(await bodies.read(request), name).mailboxes
        check_sources(asking.role, name, given.spec, mailbox)
        mailbox = Mailbox(name=name, spec=given.spec)
    return await _answer(here, asking, request, name, mailbox)


async def _answer(here: Surroundings, asking: Asking, request: Request, name: str, mailbox: Mailbox) -> Response:
    await testing.admit(here.store, asking.who)
    found = results(here, asking.who, name, mailbox)
    if wants_json(request.headers.get("accept", "")):
        return await _document(here, request, found)
    return StreamingResponse(events(here, found), media_type=EVENTS, headers={"X-Accel-Buffering": "no"})


async def results(here: Surroundings, asking: str, name: str, mailbox: Mailbox) -> AsyncGenerator[StepResult]:
    """Each step's result as it ends. `asking` is for the audit log, as is `name`; the turn was taken before."""
    store = here.store
    async with testing.credentials(store.secrets.reveal, here.authorities, store.sign_ins) as credentials:
        walked = probe(mailbox, credentials, here.rules, Clock())
        async with aclosing(testing.recorded(store, asking, name, mailbox, walked)) as steps:
            async for result in steps:
                yield result


async def events(here: Surroundings, steps: AsyncGenerator[StepResult]) -> AsyncIterator[str]:
    """The stream: an event `step` for each step as it ends, a comment while one is slow, an event `end`."""
    began, good = Clock().monotonic(), True
    async with aclosing(followed(steps, HEARTBEAT_SECONDS, here.running)) as news:
        async for result in news:
            if result is None:
                yield ": still working\n\n"
                continue
            good = good and result.outcome is not Outcome.FAILED
            yield f"event: step\ndata: {result.model_dump_json()}\n\n"
    yield f"event: end\ndata: {TestEnd(passed=good, milliseconds=_since(began)).model_dump_json()}\n\n"


async def _document(here: Surroundings, request: Request, steps: AsyncGenerator[StepResult]) -> Response:
    """The whole checklist. It too ends when the client has gone away."""
    began = Clock().monotonic()
    walked = await whole(here, request, steps)
    if walked is None:
        return Response(status_code=204)
    view = TestView(passed=passed(walked), milliseconds=_since(began), steps=walked)
    return JSONResponse(view.model_dump(mode="json", by_alias=True))


async def whole(
    here: Surroundings, request: Request, steps: AsyncGenerator[StepResult]
) -> tuple[StepResult, ...] | None:
    """All results at once; None if the client went away, which ends the test."""
    found = list[StepResult]()
    async with aclosing(followed(steps, 1.0, here.running)) as news:
        async for step in news:
            if step is not None:
                found.append(step)
            elif await request.is_disconnected():
                return None
    return tuple(found)


def passed(steps: Iterable[StepResult]) -> bool:
    """Whether nothing failed."""
    return all(one.outcome is not Outcome.FAILED for one in steps)


def wants_json(accept: str) -> bool:
    """Whether JSON is asked for and the stream is not."""
    kinds = {one.partition(";")[0].strip().lower() for one in accept.split(",")}
    return "application/json" in kinds and EVENTS not in kinds


def _since(began: float) -> int:
    return round((Clock().monotonic() - began) * 1000)
