"""Counts requests and their time, by route as declared: never by the path, which holds names and ids."""

import time

from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.console.api.routes import PREFIX
from shared.observability.metrics import Metrics

UNKNOWN = "none"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
STREAM = b"text/event-stream"


class Counted:
    """The outermost layer. A stream of events is counted when it ends, and its time is not: it lasts as people look."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, stream, started = 500, False, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status, stream
            if message["type"] == "http.response.start":
                status = message["status"]
                stream = any(name == b"content-type" and STREAM in value for name, value in message["headers"])
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._count(scope, status)
            if not stream:
                area = "api" if str(scope["path"]).startswith(f"{PREFIX}/") else "pages"
                self._metrics.http_duration.labels(area).observe(time.perf_counter() - started)

    def _count(self, scope: Scope, status: int) -> None:
        route = scope.get("route")
        path = route.path if isinstance(route, APIRoute) else UNKNOWN
        method = scope["method"] if scope["method"] in METHODS else UNKNOWN
        self._metrics.http_requests.labels(method, path, str(status)).inc()
