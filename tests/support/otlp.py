"""A collector of traces: a real HTTP server that takes OTLP as protobuf, and tells what spans it was given."""

import asyncio
import gzip
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Wire
from opentelemetry.proto.trace.v1.trace_pb2 import Status

Value = str | int | float | bool


@dataclass(frozen=True)
class Seen:
    """A span as it arrived. Ids are hexadecimal, `parent` is empty for a root."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent: str
    failed: bool
    milliseconds: float
    attributes: dict[str, Value]
    resource: dict[str, Value]


@dataclass
class Collector:
    """Where it listens, what it was given, and the headers of its requests."""

    url: str = ""
    spans: list[Seen] = field(default_factory=list[Seen])
    bodies: list[bytes] = field(default_factory=list[bytes])
    away: bool = False
    """Refuse whatever comes."""
    requests: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def of(self, trace_id: str) -> list[Seen]:
        """The spans of one trace."""
        return [one for one in list(self.spans) if one.trace_id == trace_id]

    async def until(self, trace_id: str, complete: Callable[[list[Seen]], bool], seconds: float = 60) -> list[Seen]:
        """Wait until the spans of a trace are what they should be; returns them."""
        try:
            async with asyncio.timeout(seconds):
                while not complete(found := self.of(trace_id)):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            listed = "\n".join(f"{one.service}: {one.name}" for one in self.of(trace_id))
            others = {one.trace_id for one in self.spans}
            raise AssertionError(f"of trace {trace_id} (there are {len(others)}):\n{listed}") from None
        return found

    def take(self, body: bytes, headers: dict[str, str]) -> None:
        """A request."""
        self.requests.append(headers)
        self.bodies.append(body)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _values(group.resource.attributes)
            self.spans += [_seen(one, resource) for scope in group.scope_spans for one in scope.spans]


def _seen(one: Wire, resource: dict[str, Value]) -> Seen:
    return Seen(
        service=str(resource["service.name"]),
        name=one.name,
        kind=Wire.SpanKind.Name(one.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=one.trace_id.hex(),
        span_id=one.span_id.hex(),
        parent=one.parent_span_id.hex(),
        failed=one.status.code == Status.STATUS_CODE_ERROR,
        milliseconds=(one.end_time_unix_nano - one.start_time_unix_nano) / 1e6,
        attributes=_values(one.attributes),
        resource=resource,
    )


def _values(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value") for one in pairs}


@contextmanager
def collecting() -> Generator[Collector]:
    """A collector on a port of its own."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            right = self.path == "/v1/traces" and not collector.away
            if right:
                collector.take(gzip.decompress(body) if packed else body, dict(self.headers.items()))
            self.send_response(200 if right else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
