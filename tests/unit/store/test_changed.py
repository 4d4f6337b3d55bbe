"""The guard against the embedded server's dates: none is ever set as a leaf."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.store.collection import changed, milliseconds

AT = datetime(2026, 3, 1, 12, 0, 0, 999_000, tzinfo=UTC)


def test_a_date_is_set_inside_a_sub_document_only() -> None:
    assert changed({"clock": {"at": AT}}, inc={"n": 1}) == {"$set": {"clock": {"at": AT}}, "$inc": {"n": 1}}
    with pytest.raises(ValueError, match="sub-document"):
        changed({"at": AT})


def test_nothing_to_set_leaves_the_operator_out() -> None:
    assert changed({}, inc={"n": 1}) == {"$inc": {"n": 1}}


def test_milliseconds_do_not_depend_on_the_zone() -> None:
    assert milliseconds(AT) == milliseconds(AT.astimezone(timezone(timedelta(hours=5, minutes=30)))) == 1772366400999
