"""The fuzz targets on their seeds, and for a minute on what hypothesis makes of them. `make fuzz` goes on for hours."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.timeout(600)
TOKENS = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\x00",
        b" ",
        b"\t",
        b"--b",
        b"--b--",
        b"=?utf-8?q?",
        b"=?iso-2022-jp?b?",
        b"?=",
        b"=\r\n",
    ),
    *(b"Content-Type: ", b"multipart/mixed; boundary=b", b"text/html; charset=utf-7", b"message/rfc822", b"base64"),
    *(b"begin 644 x\n", b"`\nend\n", b"=ybegin name=x\n", b"\x78\x9f\x3e\x22", b"Content-Disposition: attachment;"),
    *(
        b"filename*0*=utf-8''%ff",
        b"; name*1=",
        b"<",
        b">",
        b"@",
        b"(",
        b")",
        b'"',
        b"\\",
        b",",
        b";",
        b":",
        b"{3}",
        b"{",
        b"}",
    ),
    *(
        b"* ",
        b"FETCH (UID 1 BODY[] ",
        b"NIL",
        b"INTERNALDATE ",
        b"[",
        b"]",
        b"\xff\xfe",
        b"\x1b$B",
        b"+AGE-",
        b"\xf0\x9f\x98",
    ),
)


def bytes_like(target: str) -> st.SearchStrategy[bytes]:
    """Seeds cut and mixed with tokens and nonsense."""
    known = st.sampled_from(list(seeds(target)))
    cut = st.tuples(known, st.integers(0, 400), st.integers(0, 400)).map(lambda one: one[0][one[1] : one[1] + one[2]])
    piece = st.one_of(st.sampled_from(TOKENS), cut, st.binary(max_size=20))
    return st.lists(piece, max_size=20).map(b"".join)


@pytest.mark.parametrize("target", TARGETS)
def test_what_must_hold_holds_for_every_seed(target: str) -> None:
    for one in seeds(target):
        TARGETS[target](one)


@pytest.mark.parametrize("target", TARGETS)
def test_what_must_hold_holds_for_what_is_made_of_the_seeds(target: str) -> None:
    @settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(bytes_like(target))
    def holds(data: bytes) -> None:
        TARGETS[target](data)

    holds()
