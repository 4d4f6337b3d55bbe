"""The admin port of a process: /livez, /readyz, /startupz, /metrics, /version. Never on the port that people use."""

import contextlib
import socket
from collections.abc import Awaitable, Callable, Generator
from typing import Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from shared.observability.metrics import Metrics


class Health(Protocol):
    """What the admin port asks of its process."""

    @property
    def service(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def metrics(self) -> Metrics: ...
    def hung(self) -> tuple[str, ...]:
        """A sentence for each work loop that does not get on. Never asks broker, store or mail server."""
        ...

    def started(self) -> bool:
        """Whether it has had everything it needs at least once; what it loses later does not undo that."""
        ...

    def readiness(self) -> dict[str, bool]:
        """Each thing this process needs, and whether it has it."""
        ...


class _Server(uvicorn.Server):
    """Leaves signals to the process: uvicorn would take them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one."""
    listener = socket.create_server((host, port))
    listener.setblocking(False)
    return listener


def server(health: Health) -> uvicorn.Server:
    """The HTTP server of the admin port; run it with `serve(sockets=[bind(...)])`."""
    config = uvicorn.Config(
        _app(health), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    return _Server(config)


def _app(health: Health) -> Starlette:
    async def livez(_: Request) -> Response:
        hung = health.hung()
        return PlainTextResponse("\n".join(hung) or "ok", 503 if hung else 200)

    async def readyz(request: Request) -> Response:
        parts = health.readiness()
        status = 200 if parts and all(parts.values()) else 503
        if "verbose" in request.query_params:
            return JSONResponse({"ready": status == 200, "parts": parts}, status)
        return PlainTextResponse("ok" if status == 200 else "not ready", status)

    async def startupz(_: Request) -> Response:
        return PlainTextResponse("ok", 200) if health.started() else PlainTextResponse("still starting", 503)

    async def metrics(_: Request) -> Response:
        return Response(health.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def version(_: Request) -> Response:
        return JSONResponse({"service": health.service, "version": health.version})

    pages: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/livez": livez,
        "/readyz": readyz,
        "/startupz": startupz,
        "/metrics": metrics,
        "/version": version,
    }
    return Starlette(routes=[Route(path, page) for path, page in pages.items()])
