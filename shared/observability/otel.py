"""The door to OpenTelemetry: the only importer of its packages, and imported itself only where tracing is on.

Spans are handed over by a thread of the SDK, in batches, as OTLP over HTTP. A collector that is away costs the spans
that do not fit the queue, never a mail and never the time of the loop.
"""

import threading
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.trace import Span as AnySpan
from opentelemetry.trace.propagation import set_span_in_context

from shared.domain.trace_context import TraceContext, root
from shared.observability.tracing import Attributes, Role, named

log = structlog.get_logger(__name__)

QUEUE, BATCH, DELAY_MILLISECONDS = 8192, 512, 1000
EXPORT_SECONDS: Final = 5.0

_KINDS: Mapping[Role, SpanKind] = {
    "fetch": SpanKind.INTERNAL,
    "send": SpanKind.PRODUCER,
    "process": SpanKind.CONSUMER,
    "call": SpanKind.CLIENT,
}


class _Ids(RandomIdGenerator):
    """Random, but for the first span of a mail, whose ids follow from the mail."""

    def __init__(self) -> None:
        self._given = threading.local()

    def give(self, first: TraceContext) -> None:
        """The next span that has no parent has these ids."""
        self._given.ids = (int(first.trace_id, 16), int(first.span_id, 16))

    def generate_trace_id(self) -> int:
        trace_id, _ = getattr(self._given, "ids", None) or (super().generate_trace_id(), 0)
        return trace_id

    def generate_span_id(self) -> int:
        _, span_id = getattr(self._given, "ids", None) or (0, super().generate_span_id())
        self._given.ids = None
        return span_id

    def is_trace_id_random(self) -> bool:
        """Not promised: they follow from the mail."""
        return False


@dataclass(frozen=True, slots=True)
class _Span:
    """A span of the SDK, and the list of what is going on that it leaves when it ends."""

    mail_id: str
    span: AnySpan
    context: TraceContext
    going_on: dict[str, TraceContext]

    def end(self, attributes: Attributes | None = None, error: str = "") -> None:
        """See Span."""
        if attributes:
            self.span.set_attributes(attributes)
        if error:
            self.span.set_attribute("error.type", error)
            self.span.set_status(Status(StatusCode.ERROR))
        self.span.end()
        if self.going_on.get(self.mail_id) is self.context:
            del self.going_on[self.mail_id]


class _Telling(SpanExporter):
    """Says once that the collector does not take what it is given, and once that it does again."""

    def __init__(self, exporter: SpanExporter, where: str) -> None:
        self._exporter = exporter
        self._where = where
        self._well = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See SpanExporter."""
        result = self._exporter.export(spans)
        well = result is SpanExportResult.SUCCESS
        if well and not self._well:
            log.info("traces_taken_again", where=self._where)
        elif self._well and not well:
            log.warning("traces_not_taken", where=self._where, remedy="see whether the collector is up and lets us in")
        self._well = well
        return result

    def shutdown(self) -> None:
        """See SpanExporter."""
        self._exporter.shutdown()


class OpenTelemetry:
    """See Tracing. `ratio` of all mails are traced, the same ones in every process."""

    def __init__(self, exporter: SpanExporter, ratio: float, resource: Attributes) -> None:
        self._ratio = TraceIdRatioBased(ratio)
        self._ids = _Ids()
        provider = TracerProvider(
            sampler=ParentBased(self._ratio),
            resource=Resource.create(resource),
            shutdown_on_exit=False,
            id_generator=self._ids,
        )
        self._processor = BatchSpanProcessor(exporter, QUEUE, DELAY_MILLISECONDS, BATCH)
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("mail-automator", str(resource.get("service.version", "")))
        self._going_on: dict[str, TraceContext] = {}

    def root(self, mail_id: str) -> TraceContext:
        """See Tracing."""
        first = root(mail_id, sampled=False)
        return root(mail_id, sampled=int(first.trace_id, 16) & _LOW < self._ratio.bound)

    def here(self, mail_id: str) -> TraceContext:
        """See Tracing."""
        return self._going_on.get(mail_id) or self.root(mail_id)

    def begin(
        self,
        role: Role,
        name: str,
        mail_id: str,
        attributes: Attributes,
        *,
        parent: TraceContext | None = None,
        since: datetime | None = None,
    ) -> _Span:
        """See Tracing."""
        first = self.root(mail_id)
        if role == "fetch":
            self._ids.give(first)
            context = Context()
        else:
            ours = parent is not None and parent.trace_id == first.trace_id
            context = _within(parent if ours and parent else self.here(mail_id))
        start = int(since.timestamp() * 1e9) if since else None
        said = {**attributes, "mail_automator.mail_id": mail_id}
        span = self._tracer.start_span(name, context, _KINDS[role], said, start_time=start)
        made = _context_of(span)
        if role in ("fetch", "process", "call"):
            self._going_on[mail_id] = made
        return _Span(mail_id, span, made, self._going_on)

    def mark(self, logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """See Tracing."""
        mail_id = event.get("mail_id")
        if isinstance(mail_id, str) and "trace_id" not in event:
            event.update(named(self.here(mail_id)))
        return event

    def flush(self) -> None:
        """Hand over now what is not handed over yet. Blocks."""
        self._processor.force_flush()

    def close(self, seconds: float) -> None:
        """See Tracing."""
        closing = threading.Thread(target=self._processor.shutdown, name="tracing-close", daemon=True)
        closing.start()
        closing.join(seconds)


def over_http(endpoint: str, headers: Mapping[str, str], ratio: float, resource: Attributes) -> OpenTelemetry:
    """Tracing that hands over to a collector by OTLP over HTTP."""
    exporter = OTLPSpanExporter(endpoint, headers=dict(headers) or None, timeout=EXPORT_SECONDS)
    place = urlsplit(endpoint)
    return OpenTelemetry(_Telling(exporter, f"{place.hostname}:{place.port or place.scheme}"), ratio, resource)


_LOW: Final = TraceIdRatioBased.TRACE_ID_LIMIT


def _within(context: TraceContext) -> Context:
    state = TraceState.from_header([context.state]) if context.state else None
    flags = TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT)
    remote = SpanContext(int(context.trace_id, 16), int(context.span_id, 16), True, flags, state)
    return set_span_in_context(NonRecordingSpan(remote), Context())


def _context_of(span: AnySpan) -> TraceContext:
    made = span.get_span_context()
    state = made.trace_state.to_header()
    return TraceContext(f"{made.trace_id:032x}", f"{made.span_id:016x}", made.trace_flags.sampled, state)
