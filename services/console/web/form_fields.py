"""What the fields of a form hold: a text, a list of words, a list of lines. Pure."""

import re

from starlette.datastructures import FormData


def text(form: FormData, name: str) -> str:
    """A text; empty if it is not there."""
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def words(form: FormData, name: str) -> list[str]:
    """Words, one a line or with commas or spaces between them."""
    return [one for one in re.split(r"[\s,;]+", text(form, name)) if one]


def lines(form: FormData, name: str) -> list[str]:
    """Lines that are not empty."""
    return [line for one in text(form, name).splitlines() if (line := one.strip())]
