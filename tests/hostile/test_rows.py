"""Hostile and careless mail, row by row, through real parser processes: read as far as it can be, flagged, in time."""

import bson
import pytest

from services.console.corpus import Parsed
from services.filter.parser_worker import MAX_MEMORY
from shared.domain.email import Email
from shared.mail import attachments
from shared.mail.flags import MEANINGS, Flag
from shared.mail.quoted import split
from tests.hostile.mails import ROWS, Row

FIELDS = set(Email.model_fields)


def email(results: dict[str, Parsed], row: Row) -> Email:
    found = results[row.id].result
    assert isinstance(found, Email), found
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda one: one.id)
def test_a_row_is_read_as_far_as_it_can_be_flagged_and_bounded(row: Row, results: dict[str, Parsed], cost) -> None:
    found, parsed = email(results, row), results[row.id]
    cost(row, parsed)
    assert row.flags <= set(found.flags)
    assert not {"unparsable", "out_of_memory", "out_of_cpu", "out_of_time"} & set(found.flags)
    assert row.text is None or row.text in found.text
    assert row.subject is None or found.subject == row.subject
    assert row.files is None or tuple(one.filename for one in found.attachments) == row.files
    assert parsed.seconds < row.seconds * 5, "the machine may be busy, but not that busy"
    assert parsed.memory is None or parsed.memory < MAX_MEMORY


@pytest.mark.parametrize("row", ROWS, ids=lambda one: one.id)
def test_what_is_kept_of_a_row_is_safe_and_can_be_stored(row: Row, results: dict[str, Parsed]) -> None:
    found = email(results, row)
    document = found.model_dump(mode="json")
    assert bson.encode(document)
    assert set(document) == FIELDS, "row 37: no text of a mail becomes a key"
    assert "\x00" not in found.text
    assert "\n" not in found.subject and "\r" not in found.subject
    assert len(found.text.encode()) <= 256 * 1024
    assert len(found.subject) <= 1_000
    assert set(found.flags) <= {flag.value for flag in MEANINGS}


@pytest.mark.parametrize("row", [one for one in ROWS if one.number in (10, 13, 15, 25, 26)], ids=lambda one: one.id)
def test_the_files_of_a_row_lead_back_to_their_bytes_untouched(row: Row, results: dict[str, Parsed]) -> None:
    raw = row.write()
    for one in email(results, row).attachments:
        data = attachments.content(raw, one.part)
        assert data is not None
        assert len(data) == one.size


@pytest.mark.parametrize("row", [one for one in ROWS if one.number == 38], ids=lambda one: one.id)
def test_quotes_are_told_from_new_text_in_linear_time(row: Row, results: dict[str, Parsed]) -> None:
    text = email(results, row).text
    found = split(text)
    assert found.new + found.rest == text


def test_row_05_an_ambiguous_mail_shows_no_html_and_keeps_both_views(results: dict[str, Parsed]) -> None:
    ambiguous = [email(results, one) for one in ROWS if one.number == 5]
    assert ambiguous
    assert all(one.html is None for one in ambiguous)


def test_row_17_the_line_ends_change_nothing(results: dict[str, Parsed]) -> None:
    hashes = {email(results, one).content_sha256 for one in ROWS if one.number == 17 and one.text == "hello\nthere"}
    assert len(hashes) <= 2, "with and without a line end at the end"


def test_row_20_a_smuggled_mail_stays_text(results: dict[str, Parsed]) -> None:
    (row,) = [one for one in ROWS if one.name == "another mail after a dot"]
    found = email(results, row)
    assert (found.subject, found.sender and found.sender.address) == ("s", "ann@people.example")
    assert "MAIL FROM:<x@evil.example>" in found.text


def test_every_row_of_the_parser_is_there() -> None:
    assert {one.number for one in ROWS} == set(range(1, 39))


def test_every_flag_says_what_it_means() -> None:
    assert set(MEANINGS) == set(Flag)
