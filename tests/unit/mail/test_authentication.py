"""Who vouches for a sender: the server that the mailbox names, in its own words, and nobody else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.email import Authentication, Email, Vouched
from shared.mail.authentication import MAX_LENGTH, judge, registrable, verdict
from shared.mail.parse import parse
from tests.support.builders import spec

ID = "mx.example.com"
PASSES = f"{ID}; dmarc=pass header.from=people.example"


def judged(*fields: str, authserv_id: str | None = ID, domain: str = "people.example") -> Vouched:
    return verdict(fields, authserv_id, domain)


@pytest.mark.parametrize(
    "field",
    [
        PASSES,
        f"{ID} 1; dmarc=pass header.from=people.example",
        "MX.Example.Com; DMARC=Pass Header.From=People.Example",
        f'"{ID}"; dmarc=pass header.from="people.example"',
        f"(our (own) server) {ID} (v1) ; dmarc=pass (p=reject dis=none) header.from=people.example",
        f"{ID}; spf=pass smtp.mailfrom=x@people.example; dmarc=pass (p=NONE) header.from=people.example",
        f"{ID}; dkim=none; dmarc=pass action=none header.from=people.example;",
        f"{ID}; dmarc/1 = pass header.from = people.example",
        f"{ID}; dmarc=pass header.from=ann@people.example",
        f"{ID}; dkim=pass (2048-bit key) header.d=people.example header.i=@people.example header.b=AbC/d+",
        f"{ID}; dkim=pass header.d=mail.people.example",
        f"{ID}; dkim=pass header.i=ann@news.people.example",
        f"{ID}; dkim=fail header.d=people.example; dkim=pass header.d=people.example",
        f"{ID}; broken; dmarc=pass header.from=people.example",
        f'{ID}; dkim=fail reason="bad (; signature" header.d=x.example; dmarc=pass header.from=people.example',
    ],
)
def test_our_server_vouches_by_dmarc_or_by_an_aligned_signature(field: str) -> None:
    assert judged(field) is Vouched.PASS


@pytest.mark.parametrize(
    "field",
    [
        "mx.evil.example; dmarc=pass header.from=people.example",
        f"mx.evil.example ({ID}); dmarc=pass header.from=people.example",
        f"({ID}; dmarc=pass header.from=people.example)",
        f"x{ID}; dmarc=pass header.from=people.example",
        f"{ID}.evil.example; dmarc=pass header.from=people.example",
        f"{ID} evil; dmarc=pass header.from=people.example",
        "dmarc=pass header.from=people.example",
        f"i=1; {ID}; dmarc=pass header.from=people.example",
        f"{ID}; spf=pass (dmarc=pass header.from=people.example)",
        f'{ID}; spf=pass reason="; dmarc=pass header.from=people.example"',
        f'{ID}; spf=pass reason="\\"; dmarc=pass header.from=people.example"',
        f"{ID}; spf=pass smtp.mailfrom=dmarc=pass header.from=people.example",
        f"{ID}; x-dmarc=pass header.from=people.example",
        f"{ID}; dmarc=pass",
        f"{ID}; dmarc=pass header.from=evil.example",
        f"{ID}; dmarc=pass header.from=people.example.evil.example",
        f"{ID}; dmarc=pass header.from=evil.example header.from=people.example",
        f"{ID}; dmarc=bestguesspass header.from=people.example",
        f"{ID}; dmarc=none header.from=people.example",
        f"{ID}; dkim=pass header.d=evil.example",
        f"{ID}; dkim=pass header.d=evil.example header.i=@people.example",
        f"{ID}; dkim=pass header.d=notpeople.example",
        f"{ID}; dkim=pass header.d=example",
        f"{ID}; dkim=pass",
        f"{ID}; arc=pass header.d=people.example",
        f"{ID}; spf=pass smtp.mailfrom=people.example",
        f"{ID}; none",
        f"{ID}",
        "",
        "; dmarc=pass header.from=people.example",
        f"{ID}; dmarc=pass header.from=people.example (never closed",
        f'{ID}; dmarc=pass header.from="people.example',
        f"{ID}) ; dmarc=pass header.from=people.example",
    ],
)
def test_what_others_say_or_what_only_looks_like_a_result_never_passes(field: str) -> None:
    """Row 54 of the hostile inputs."""
    assert judged(field) is Vouched.NONE


def test_a_dmarc_failure_outweighs_everything() -> None:
    fails = f"{ID}; dmarc=fail header.from=people.example; dkim=pass header.d=people.example"
    assert judged(fails) is Vouched.FAIL
    assert judged(PASSES, fails) is judged(fails, PASSES) is Vouched.FAIL
    assert judged(f"{ID}; dkim=fail header.d=people.example") is Vouched.FAIL
    assert judged(f"{ID}; dmarc=fail header.from=else.example; dmarc=pass header.from=people.example") is Vouched.PASS


def test_two_fields_of_one_server_are_read_together() -> None:
    assert judged(f"{ID}; dkim=none", "mx.evil.example; dmarc=fail header.from=people.example", PASSES) is Vouched.PASS


def test_without_an_id_or_a_domain_nobody_vouches() -> None:
    assert judged(PASSES, authserv_id=None) is Vouched.NONE
    assert judged(PASSES, domain="") is Vouched.NONE
    assert judged(f"{ID}; dmarc=pass header.from=", domain="") is Vouched.NONE


@pytest.mark.parametrize(
    ("signer", "domain", "expected"),
    [
        ("mail.example.co.uk", "example.co.uk", Vouched.PASS),
        ("other.co.uk", "example.co.uk", Vouched.NONE),
        ("co.uk", "example.co.uk", Vouched.NONE),
        ("a.github.io", "b.github.io", Vouched.NONE),
        ("xn--mller-kva.example", "müller.example", Vouched.PASS),
        ("müller.example", "xn--mller-kva.example", Vouched.PASS),
    ],
)
def test_a_signature_is_aligned_under_one_registrable_domain(signer: str, domain: str, expected: Vouched) -> None:
    assert judged(f"{ID}; dkim=pass header.d={signer}", domain=domain) is expected


def test_a_registrable_domain_is_what_somebody_can_register() -> None:
    assert registrable("a.b.example.co.uk") == "example.co.uk"
    assert registrable("co.uk") is None


def read(*fields: str) -> Email:
    return parse("".join(f"{one}\n" for one in fields).encode() + b"From: a@people.example\n\nx")


def results(*fields: str) -> tuple[str, ...]:
    return read(*fields).authentication_results


def test_fields_are_kept_topmost_first_with_how_many_received_fields_stand_above_each() -> None:
    """Row 54: only so can anybody tell what was there when the mail came in."""
    first, second, third = (f"Authentication-Results: {name}; none" for name in ("a", "b", "c"))
    found = read("Return-Path: <x@y>", first, "Delivered-To: x", second, "Received: from x by y", third)
    assert found.authentication_results == ("a; none", "b; none", "c; none")
    assert found.authentication_hops == (0, 0, 1)
    assert results(*[first] * 9) == ("a; none",) * 5
    assert results(*["Received: from x by y"] * 11, first) == ()


RECEIVED = "Received: from x by y"
FORGED = f"Authentication-Results: {PASSES}"


@pytest.mark.parametrize(
    ("fields", "hops", "expected"),
    [
        ((FORGED,), 0, Vouched.PASS),
        ((RECEIVED, FORGED), 0, Vouched.NONE),
        ((RECEIVED, FORGED), 1, Vouched.PASS),
        ((RECEIVED, RECEIVED, FORGED), 1, Vouched.NONE),
        (
            (RECEIVED, f"Authentication-Results: {ID}; dmarc=fail header.from=people.example", RECEIVED, FORGED),
            1,
            "fail",
        ),
        (
            (RECEIVED, f"Authentication-Results: {ID}; dmarc=fail header.from=people.example", RECEIVED, FORGED),
            2,
            "fail",
        ),
        ((RECEIVED,), 1, Vouched.NONE),
    ],
)
def test_only_fields_above_the_received_fields_of_our_own_servers_are_believed(
    fields: tuple[str, ...], hops: int, expected: str
) -> None:
    """Row 54: with `authservHops`, a server that delivers may write Received fields above the results."""
    said = judge(read(*fields), spec(authserv_id=ID, authserv_hops=hops))
    assert said is not None
    assert said.sender == expected


def test_the_words_of_our_server_are_kept_for_people() -> None:
    fields = (
        f"{ID}; spf=softfail smtp.mailfrom=x.example; dkim=fail header.d=x.example; dkim=pass header.d=people.example",
        f"{ID}; dmarc=pass header.from=people.example; spf=pass smtp.mailfrom=people.example",
        "mx.evil.example; spf=pass",
    )
    said = judge(read(*(f"Authentication-Results: {one}" for one in fields)), spec(authserv_id=ID))
    assert said == Authentication(server=ID, spf="softfail", dkim="pass", dmarc="pass", sender=Vouched.PASS)
    assert judge(read(), spec(authserv_id=ID)) == Authentication(server=ID)
    assert judge(read(FORGED), spec()) is None
    loud = read(f"Authentication-Results: {ID}; spf=<script>; dmarc=excellent header.from=people.example")
    assert judge(loud, spec(authserv_id=ID)) == Authentication(server=ID)


def test_a_field_is_unfolded_but_never_decoded_or_cut() -> None:
    """An encoded word decoded inside a comment would close it, and half a domain is another domain."""
    assert results("Authentication-Results: a;\n dmarc=pass\n\theader.from=x.example") == (
        "a; dmarc=pass header.from=x.example",
    )
    word = "a; dkim=fail (=?utf-8?q?=29;_dmarc=3Dpass_header=2Efrom=3Dpeople=2Eexample?=)"
    assert results(f"Authentication-Results: {word}") == (word,)
    long = "a; " + "x" * MAX_LENGTH
    assert results(f"Authentication-Results: {long}", "Authentication-Results: a; none") == ("a; none",)
    assert results("Authentication-Results: a; dmarc=pass header.from=peo\u200bple.example") == ()


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=80), st.text(alphabet=f'{ID}=;()"\\ dkimpass.', max_size=80)), max_size=5),
    st.one_of(st.none(), st.text(max_size=20)),
    st.text(max_size=30),
)
def test_any_fields_give_a_verdict(fields: list[str], authserv_id: str | None, domain: str) -> None:
    assert verdict(tuple(fields), authserv_id, domain) in Vouched
