"""What two JSON objects do not share."""

import pytest

from services.console.web.differing import differing


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, ({"b": 2}, {"b": 3})),
        ({"a": 1}, {"a": 1, "b": None}, ({}, {"b": None})),
        ({"a": {"b": [1, 2], "c": 3}}, {"a": {"b": [2, 4], "c": 3}}, ({"a": {"b": [1]}}, {"a": {"b": [4]}})),
        (
            {"a": [{"n": 1}, {"n": 2}]},
            {"a": [{"n": 2}, {"n": 1}]},
            ({"a": [{"n": 1}, {"n": 2}]}, {"a": [{"n": 2}, {"n": 1}]}),
        ),
        ({"a": {"b": 1}}, {"a": [1]}, ({"a": {"b": 1}}, {"a": [1]})),
        ({"a": True}, {"a": True}, ({}, {})),
    ],
)
def test_only_what_is_different_is_left(old: dict, new: dict, left: tuple[dict, dict]) -> None:
    assert differing(old, new) == left
