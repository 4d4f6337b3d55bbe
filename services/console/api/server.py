"""The application, made from the tables of routes and pages, and its OpenAPI document at /api/v1/openapi.json."""

from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from pydantic.json_schema import models_json_schema
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.console.api.bodies import BODIES
from services.console.api.caller import at_least
from services.console.api.counting import Counted
from services.console.api.problems import MEDIA_TYPE, Problem, handle
from services.console.api.routes import PREFIX, ROUTES, Route
from services.console.api.surroundings import Surroundings
from services.console.web import errors, visitor
from services.console.web.mount import add_pages, give_pages
from shared.domain.errors import AutomatorError

ALWAYS = (401, 403, 422, 500, 503)
"""What every route can answer besides its own refusals."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""On every response that does not say otherwise."""
DESCRIPTION = "Mailboxes, catalogue, tickets, and what happened to every mail. See docs/api.md."

log = structlog.get_logger(__name__)


def build(surroundings: Surroundings) -> FastAPI:
    """The application over these surroundings."""
    app = FastAPI(
        title="Mail Automator",
        version=surroundings.version,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        redirect_slashes=False,
        routes=list(_routes()),
    )
    app.state.surroundings = surroundings
    give_pages(app)
    for kind in (AutomatorError, RequestValidationError, HTTPException, visitor.SignInNeeded):
        app.add_exception_handler(kind, _answer)
    app.add_middleware(_Guard)
    if surroundings.metrics is not None:
        app.add_middleware(Counted, metrics=surroundings.metrics)
    app.openapi = lambda: _document(app)
    return app


@cache
def _routes() -> Sequence[BaseRoute]:
    """Every route and page. They know nothing of the surroundings, and reading their signatures takes a third of a
    second: a process does it once, however many applications it builds."""
    router = APIRouter(redirect_slashes=False)
    for route in ROUTES:
        _add(router, route)
    add_pages(router)
    return tuple(router.routes)


async def _answer(request: Request, error: Exception) -> Response:
    """An error, as the API says it or as a page."""
    return await (handle if request.url.path.startswith(f"{PREFIX}/") else errors.show)(request, error)


def _add(router: APIRouter, route: Route) -> None:
    router.add_api_route(
        PREFIX + route.path,
        route.endpoint,
        methods=[route.method],
        status_code=route.status,
        response_model=route.answer,
        response_class=JSONResponse if route.answer else Response,
        dependencies=[Depends(at_least(route.role, route.role_with_body))],
        responses=_responses(route),
        operation_id=f"{route.endpoint.__module__.rpartition('.')[2]}_{route.endpoint.__name__.rstrip('_')}",
        summary=(route.endpoint.__doc__ or "").partition(".")[0],
        description=f"{route.endpoint.__doc__}\n\nLeast role: {_least_role(route)}.",
        tags=[route.path.split("/")[1]],
        openapi_extra=_takes(route),
    )


def _least_role(route: Route) -> str:
    more = f"; with a body: {route.role_with_body.value}" if route.role_with_body else ""
    return f"{route.role.value}{more}"


def _responses(route: Route) -> dict[int | str, dict[str, Any]]:
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    found: dict[int | str, dict[str, Any]] = {
        status: {"description": HTTPStatus(status).phrase, "content": problem}
        for status in sorted({*ALWAYS, *route.refusals})
    }
    if route.media:
        schema = route.sent_as or {"type": "string", "format": "binary"}
        found[200] = {"description": "Successful Response", "content": {route.media: {"schema": schema}}}
    return found


def _takes(route: Route) -> dict[str, Any]:
    if route.body is None:
        return {}
    schema = {"$ref": f"#/components/schemas/{route.body.__name__}Input"}
    return {
        "requestBody": {"required": route.role_with_body is None, "content": {"application/json": {"schema": schema}}}
    }


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        for schema in found["components"]["schemas"].values():
            _without_write_only(schema)
        found["components"]["schemas"] |= _schemas()
        for operation in (one for operations in found["paths"].values() for one in operations.values()):
            _needs_if_match(operation)
        app.openapi_schema = found
    return app.openapi_schema


def _needs_if_match(operation: dict[str, Any]) -> None:
    """A change needs If-Match: the endpoint itself says so (428), FastAPI takes it for optional."""
    for one in operation.get("parameters", ()):
        if one["name"] == "If-Match":
            one |= {"required": True, "schema": {"type": "string"}}


def _without_write_only(schema: dict[str, Any]) -> None:
    """What only goes in is no part of an answer."""
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    for name, one in list(properties.items()):
        if any(variant.get("writeOnly") for variant in (one, *one.get("anyOf", ()))):
            del properties[name]
            schema["required"] = [other for other in schema.get("required", ()) if other != name]


def _schemas() -> dict[str, Any]:
    """The bodies as they are sent (secrets are write-only there) and the problem: FastAPI does not meet them."""
    _, taken = models_json_schema(
        [(one, "validation") for one in BODIES], ref_template="#/components/schemas/{model}Input"
    )
    problem = Problem.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    parts = problem.pop("$defs")
    return {**{f"{name}Input": schema for name, schema in taken["$defs"].items()}, "Problem": problem, **parts}


class _Guard:
    """The outermost layer: security headers on every response; what nobody foresaw is a problem, never a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                for cookie in visitor.cookies(Request(scope)).values():
                    headers.append("Set-Cookie", cookie)
            await send(message)

        try:
            await self._app(scope, receive, guarded)
        except Exception as error:  # noqa: BLE001 - the last net of a request
            log.error("request_failed", error=type(error).__name__, place=_place(error))
            if not started:
                answer = await _answer(Request(scope), error)
                await answer(scope, receive, guarded)


def _place(error: Exception) -> str:
    """Where an unforeseen error arose. Not its text: that could hold a secret or mail."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else "unknown"
