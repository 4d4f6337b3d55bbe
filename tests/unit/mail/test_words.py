"""The words of a subject."""

import pytest

from shared.mail.words import WORDS_LIMIT, has_all, words


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Re: AW: Café Printer", ("cafe", "printer")),
        ("Ｐrinter, printer!", ("printer",)),
        ("", ()),
        ("(a+)+$", ("a",)),
        ("x" * 500, ("x" * 40,)),
    ],
)
def test_the_words_are_folded_and_each_is_there_once(subject: str, expected: tuple[str, ...]) -> None:
    assert words(subject) == expected


def test_a_subject_of_many_words_gives_the_first_ones() -> None:
    assert len(words(" ".join(f"w{n}" for n in range(1000)))) == WORDS_LIMIT


def test_every_beginning_must_begin_a_word() -> None:
    assert has_all("Printer on fire", ("pri", "fire"))
    assert not has_all("Printer on fire", ("rinter",))
