"""Templates: a closed list of words, refused at save time where one is unknown."""

import pytest
from pydantic import ValidationError

from shared.domain.mailbox import Acknowledgements
from shared.domain.templates import WORDS, render, unknown_words


def test_every_word_is_known_and_the_defaults_use_only_them() -> None:
    assert unknown_words("".join(f"{{{one}}}" for one in WORDS)) == ()
    made = Acknowledgements()
    assert unknown_words(made.subject + made.text) == ()


@pytest.mark.parametrize(
    "text", ["{nmber}", "{number.__class__}", "{number!r}", "{number:>99}", "{}", "{0}", "{ tag }"]
)
def test_an_unknown_word_is_refused_and_the_known_ones_are_named(text: str) -> None:
    for field in ("subject", "text"):
        with pytest.raises(ValidationError, match=r"no word of templates; write one of \{number\}") as refused:
            Acknowledgements.model_validate({field: f"Hello {text}"})
        assert text in str(refused.value)


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\x00b", "a\x1bb"])
def test_a_subject_is_one_line(bad: str) -> None:
    with pytest.raises(ValidationError, match="control characters"):
        Acknowledgements.model_validate({"subject": bad})


def test_a_text_may_have_lines_and_tabs_but_no_other_controls() -> None:
    assert Acknowledgements(text="a\nb\r\n\tc").text == "a\nb\r\n\tc"
    with pytest.raises(ValidationError, match="control characters"):
        Acknowledgements(text="a\x1b[31m")


def test_what_is_put_in_is_not_looked_at_again() -> None:
    assert render("{subject} {number} {x}", {"subject": "{number}", "number": "INC-1"}) == "{number} INC-1 {x}"
