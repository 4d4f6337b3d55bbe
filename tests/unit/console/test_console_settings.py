"""What browsers call the console: https, or this machine."""

import pytest
from pydantic import ValidationError

from services.console.settings import ConsoleSettings


@pytest.mark.parametrize(
    ("given", "known_as"),
    [
        ({}, "http://localhost:8080"),
        ({"host": "::1"}, "http://localhost:8080"),
        ({"host": "0.0.0.0"}, None),
        ({"host": "0.0.0.0", "public_url": "https://desk.example/mail/"}, "https://desk.example/mail"),
        ({"public_url": "http://127.0.0.1:9000"}, "http://127.0.0.1:9000"),
    ],
)
def test_the_address_is_what_is_set_or_this_machine(given: dict[str, str], known_as: str | None) -> None:
    assert ConsoleSettings(**given).known_as(8080) == known_as


@pytest.mark.parametrize(
    "address", ["http://desk.example", "desk.example", "https://", "ftp://desk.example", "https://desk.example?x=1"]
)
def test_anything_else_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        ConsoleSettings(public_url=address)
