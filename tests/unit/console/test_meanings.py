"""What somebody may mean who types a word."""

import pytest

from services.console.meanings import all_meanings
from shared.store.mail_search import Wanted


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("", Wanted(), Wanted()),
        ("req-000001", Wanted(number="REQ-000001"), Wanted(number="REQ-000001")),
        ("A" * 52, Wanted(mail_id="a" * 52), Wanted(mail_id="a" * 52)),
        ("<a@b.example>", Wanted(message_id="<a@b.example>"), Wanted(ticket_id="<a@b.example>")),
        ("@b.example", Wanted(message_id="<@b.example>"), Wanted(ticket_id="@b.example")),
        ("printer on fire", Wanted(message_id="<printer on fire>"), Wanted(subject="printer on fire")),
    ],
)
def test_names_come_first_and_words_of_the_subject_last(text: str, first: Wanted, last: Wanted) -> None:
    found = all_meanings(text)
    assert (found[0], found[-1]) == (first, last)


def test_an_address_is_a_sender_and_a_domain_is_one_with_or_without_its_at() -> None:
    assert Wanted(sender="ann@b.example") in all_meanings("Ann@B.example")
    assert Wanted(domain="b.example") in all_meanings("@b.example")
    assert Wanted(domain="b.example") in all_meanings("b.example")
