"""Test a mailbox, unsaved or stored, and tell each step as it ends: as server-sent events, or as one JSON document.

Everything that refuses a request is said before the test begins. The rules on where a test may connect, and that a
stored secret goes nowhere else, are the probe's.
"""

from collections.abc import AsyncGenerator, AsyncIterator
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
    results = _results(here, asking.who, name, mailbox)
    if wants_json(request.headers.get("accept", "")):
        return await _document(here, request, results)
    return StreamingResponse(_events(here, results), media_type=EVENTS, headers={"X-Accel-Buffering": "no"})


async def _results(here: Surroundings, asking: str, name: str, mailbox: Mailbox) -> AsyncGenerator[StepResult]:
    store = here.store
    async with testing.credentials(store.secrets.reveal, here.authorities, store.sign_ins) as credentials:
        walked = probe(mailbox, credentials, here.rules, Clock())
        async with aclosing(testing.recorded(store, asking, name, mailbox, walked)) as results:
            async for result in results:
                yield result


async def _events(here: Surroundings, results: AsyncGenerator[StepResult]) -> AsyncIterator[str]:
    """The stream: an event `step` for each step as it ends, a comment while one is slow, an event `end`."""
    began, passed = Clock().monotonic(), True
    async with aclosing(followed(results, HEARTBEAT_SECONDS, here.running)) as news:
        async for result in news:
            if result is None:
                yield ": still working\n\n"
                continue
            passed = passed and result.outcome is not Outcome.FAILED
            yield f"event: step\ndata: {result.model_dump_json()}\n\n"
    yield f"event: end\ndata: {TestEnd(passed=passed, milliseconds=_since(began)).model_dump_json()}\n\n"


async def _document(here: Surroundings, request: Request, results: AsyncGenerator[StepResult]) -> Response:
    """The whole checklist. It too ends when the client has gone away."""
    began, steps = Clock().monotonic(), list[StepResult]()
    async with aclosing(followed(results, 1.0, here.running)) as news:
        async for result in news:
            if result is not None:
                steps.append(result)
            elif await request.is_disconnected():
                return Response(status_code=204)
    passed = all(one.outcome is not Outcome.FAILED for one in steps)
    view = TestView(passed=passed, milliseconds=_since(began), steps=tuple(steps))
    return JSONResponse(view.model_dump(mode="json", by_alias=True))


def wants_json(accept: str) -> bool:
    """Whether JSON is asked for and the stream is not."""
    kinds = {one.partition(";")[0].strip().lower() for one in accept.split(",")}
    return "application/json" in kinds and EVENTS not in kinds


def _since(began: float) -> int:
    return round((Clock().monotonic() - began) * 1000)
