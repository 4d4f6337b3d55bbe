"""Log set-up: JSON lines on standard output, or a readable form on a terminal. Called once per process.

Frame locals are never written (they would hold passwords), and drivers that log what they send are held at WARNING.
What came from outside can neither command a terminal nor begin a line of its own: control characters are shown.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.types import Processor

from shared.observability.redaction import redact_event

LogFormat = Literal["json", "console", "auto"]
TALKATIVE = ("aioimaplib", "pymongo", "motor", "asyncio", "uvicorn", "uvicorn.error")
SILENT = ("aiormq", "aio_pika")
"""They say every second that the broker is away; our door says it once, and better."""


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def show_controls(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The event with its control characters, and those that turn the direction of text, as escapes."""
    for name, value in event.items():
        if isinstance(value, str) and _CONTROL.search(value):
            event[name] = _CONTROL.sub(lambda one: one[0].encode("unicode_escape").decode(), value)
    return event


def _json(obj: object, **_: object) -> str:
    return orjson.dumps(obj, default=str).decode()


def configure(service: str, log_format: LogFormat = "auto", level: str = "INFO") -> None:
    """Route structlog and the standard library's logging through one set of processors to standard output."""
    number = logging.getLevelNamesMapping()[level]
    as_json = log_format == "json" or (log_format == "auto" and not sys.stdout.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact_event,
        show_controls,
    ]
    tail: list[Processor] = (
        [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(serializer=_json),
        ]
        if as_json
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, number))
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
