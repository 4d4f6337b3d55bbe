"""W3C Trace Context: what is of the form is read, everything else is as good as absent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import identity
from shared.domain.trace_context import TraceContext, parse, root

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (GOOD, True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"cc-{TRACE}-{SPAN}-01-x", True),
    ],
)
def test_a_header_of_the_form_is_read(header: str, sampled: bool) -> None:
    """A later version counts as far as this one knows it."""
    assert parse(header) == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        None,
        7,
        True,
        b"00",
        "",
        "00",
        GOOD.upper(),
        GOOD + "-more",
        GOOD + "\n",
        " " + GOOD,
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE[:-1]}\u0661-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 100_000}",
    ],
)
def test_a_hostile_header_is_ignored(header: object) -> None:
    assert parse(header) is None


@pytest.mark.parametrize(
    ("state", "read"),
    [
        ("a=1,b@c=2", "a=1,b@c=2"),
        (" a=1 ,, b=2", "a=1,b=2"),
        ("a=1,a=2", ""),
        ("a", ""),
        ("a=\x00", ""),
        ("a=1\r\nx: y", ""),
        ("A=1", ""),
        (",".join(f"k{one}=1" for one in range(33)), ""),
        ("a=" + "1" * 600, ""),
        (None, ""),
    ],
)
def test_a_tracestate_that_is_not_of_the_form_is_left_out_and_the_parent_stays(state: object, read: str) -> None:
    assert parse(GOOD, state) == TraceContext(TRACE, SPAN, True, read)


@given(st.text() | st.from_regex(r"[0-9a-f-]{50,60}"), st.text())
def test_whatever_stands_there_nothing_is_raised_and_what_is_read_is_valid(parent: str, state: str) -> None:
    found = parse(parent, state)
    assert found is None or parse(found.traceparent) is not None


@given(st.text(), st.booleans())
def test_the_first_span_of_a_mail_follows_from_the_mail_and_survives_its_header(mail_id: str, sampled: bool) -> None:
    """Anybody who has the mail's id knows its trace."""
    first = root(mail_id, sampled=sampled)
    assert parse(first.traceparent) == first
    assert (first.trace_id, first.span_id) == (identity.trace_id(mail_id), identity.first_span_id(mail_id))
