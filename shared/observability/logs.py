"""Log set-up: JSON lines on standard output, or a readable form on a terminal. Called once per process.

Frame locals are never written (they would hold passwords), and drivers that log what they send are held at WARNING.
What came from outside can neither command a terminal nor begin a line of its own: control characters are shown.
"""

import json
import logging
import re
import sys
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from typing import Any, Literal, TextIO, cast

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.types import Processor

from shared.observability.redaction import redact_event

LogFormat = Literal["json", "console", "auto"]
TALKATIVE = ("aioimaplib", "pymongo", "motor", "asyncio", "uvicorn", "uvicorn.error")
SILENT = ("aiormq", "aio_pika", "opentelemetry")
"""They say every second that the broker, or the collector of traces, is away; our doors say it once, and better."""


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def show_controls(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The event with its control characters, and those that turn the direction of text, as escapes."""
    for name, value in event.items():
        if isinstance(value, str) and _CONTROL.search(value):
            event[name] = _CONTROL.sub(lambda one: one[0].encode("unicode_escape").decode(), value)
    return event


def _json(obj: object, **_: object) -> str:
    """A line, whatever is in it: text that is no Unicode is escaped by the slower way."""
    try:
        return orjson.dumps(obj, default=str).decode()
    except TypeError:
        return json.dumps(obj, default=str)


class _Output:
    """Standard output that never raises: nobody stops working because a line cannot be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """The line, if there is somebody to read it."""
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        """What was written so far."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def configure(
    service: str, log_format: LogFormat = "auto", level: str = "INFO", marks: Sequence[Processor] = ()
) -> None:
    """Have structlog's lines and those of the standard library's logging look alike, on standard output.

    `marks` are further processors, such as one that names the trace.
    """
    number = logging.getLevelNamesMapping()[level]
    as_json = log_format == "json" or (log_format == "auto" and not sys.stdout.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *marks,
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
    # Ours are written by themselves: by way of the standard library a line costs three times as much.
    structlog.configure(
        processors=[*shared, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Output(sys.stdout))),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
