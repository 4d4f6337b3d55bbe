"""Subjects and keywords, made comparable."""

import pytest

from shared.mail.headers import decode_header
from shared.mail.keywords import table
from shared.mail.subject import fold, normalise_subject


@pytest.mark.parametrize(
    ("written", "normalised"),
    [
        ("Printer", "printer"),
        ("RE: AW: Fwd:  Printer   on fire ", "printer on fire"),
        ("Re[2]: Printer", "printer"),
        ("Re (3): Printer", "printer"),
        ("RE : Straße", "strasse"),
        ("SV: VS: Antw: WG: TR: Odp: YNT: RIF: Printer", "printer"),
        ("回复：打印机", "打印机"),
        ("转发: 答复: RE: 打印机", "打印机"),
        ("Отв: Принтер", "принтер"),
        ("Re:", ""),
        ("Reference: x", "reference: x"),
        ("Issue: printer", "issue: printer"),
        ("ＰＲＩＮＴＥＲ", "printer"),
        ("Prin\u200bter", "printer"),
    ],
)
def test_prefixes_case_width_and_blanks_do_not_count(written: str, normalised: str) -> None:
    assert normalise_subject(written) == normalised
    assert normalise_subject(normalised) == normalised


def test_accents_fold_but_not_the_marks_of_other_scripts() -> None:
    assert fold("Café  ＶＰＮ Łódź") == "cafe vpn lodz"
    assert fold("ガ") != fold("カ")


SERVICES = (("hr", ("Payroll", "Payroll Access")), ("net", ("vpn", "C++", "#urgent", "密码")), ("door", ("access",)))


@pytest.mark.parametrize(
    ("subject", "found"),
    [
        ("Payroll Access Issue", ["Payroll Access", "Payroll", "access"]),
        ("ACCESS to payroll", ["Payroll", "access"]),
        ("payrolls and vpns", []),
        ("vpn-access: no VPN", ["access", "vpn"]),
        ("C++ broken, #urgent!", ["#urgent", "C++"]),
        ("我的密码忘了", ["密码"]),
        ("accéss", ["access"]),
        ("", []),
    ],
)
def test_keywords_are_whole_words_the_longest_first(subject: str, found: list[str]) -> None:
    assert [hit.keyword.written for hit in table(SERVICES).find(subject)] == found


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"=?utf-8?q?a=C3?= =?utf-8?q?=BC_b?= c", "aü b c"),
        (b"M\xfcller", "Müller"),
        ("Müller".encode(), "Müller"),
        ("M\udcfcller", "Müller"),
        (b"=?iso-2022-jp?B?GyRCJCIbKEI=?=", "あ"),
        (b"=?utf-8?b?8J+YgA==?= =?utf-8?q?x?=", "😀x"),
        (b"=?rot13?q?Uryyb?=", "Uryyb"),
        (b"=?utf-8?q?Hi=0D=0ABcc:_x?=", "Hi Bcc: x"),
        (b"=?broken", "=?broken"),
    ],
)
def test_a_header_is_decoded_to_one_line(raw: bytes | str, text: str) -> None:
    assert decode_header(raw) == text
