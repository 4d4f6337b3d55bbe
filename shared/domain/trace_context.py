"""Where in which trace something happens: W3C Trace Context, from headers and back. Pure.

What stands in a header came from outside: it is read strictly, and what is not of the form is as good as absent.
"""

import re
from dataclasses import dataclass
from typing import Final

from shared.domain import identity

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_MEMBER = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}", re.ASCII)
_MOST_MEMBERS, _LONGEST_STATE, _LONGEST_PARENT = 32, 512, 200
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span as others refer to it. `state` is the `tracestate` that belongs to it."""

    trace_id: str
    span_id: str
    sampled: bool
    state: str = ""

    @property
    def traceparent(self) -> str:
        """As the header says it."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"

    @property
    def headers(self) -> dict[str, str]:
        """Both headers; `tracestate` only where there is something to say."""
        return {TRACEPARENT: self.traceparent, **({TRACESTATE: self.state} if self.state else {})}


def root(mail_id: str, *, sampled: bool) -> TraceContext:
    """The span in which a mail was fetched. It is known without having been told."""
    return TraceContext(identity.trace_id(mail_id), identity.first_span_id(mail_id), sampled)


def parse(traceparent: object, tracestate: object = "") -> TraceContext | None:
    """What the two headers say; None for everything that is not of the form (W3C Trace Context, level 1, 3.2).

    A later version is read as far as this one knows it. A `tracestate` that is not of its form is left out.
    """
    if not isinstance(traceparent, str) or len(traceparent) > _LONGEST_PARENT:
        return None
    found = _PARENT.fullmatch(traceparent)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not (int(trace_id, 16) and int(span_id, 16)):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED), _state(tracestate))


def _state(given: object) -> str:
    if not isinstance(given, str) or len(given) > _LONGEST_STATE:
        return ""
    members = [one for part in given.split(",") if (one := part.strip(" \t"))]
    keys = {one.partition("=")[0] for one in members}
    well = len(keys) == len(members) <= _MOST_MEMBERS and all(_MEMBER.fullmatch(one) for one in members)
    return ",".join(members) if well else ""
