"""What a search form of a page holds: the words of its box, its choices, and a span of days."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from starlette.requests import Request

LONGEST = 400
"""Characters of a field; what is longer is cut."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A filled-in search form. `errors` say by field what is wrong."""

    fields: Mapping[str, str]
    since: datetime | None = None
    until: datetime | None = None
    errors: Mapping[str, str] = field(default_factory=dict[str, str])

    def __getitem__(self, name: str) -> str:
        return self.fields[name]

    def choice(self, name: str, among: Container[str] | None = None) -> str | None:
        """What was chosen; None for any, and for what is no choice."""
        value = self.fields[name]
        return value if value and (among is None or value in among) else None

    @property
    def narrowed(self) -> bool:
        """Whether anything is asked for at all."""
        return any(self.fields.values())

    @property
    def filtered(self) -> bool:
        """Whether anything but the words of the box is."""
        return any(value for name, value in self.fields.items() if name != "q")


def read(request: Request, *names: str) -> Asked:
    """The fields of these names, and the days `since` and `until`, both inclusive, UTC."""
    fields = {name: _clean(request.query_params.get(name, "")) for name in (*names, "since", "until")}
    errors: dict[str, str] = {}
    since, until = (_day(fields[name], name, errors) for name in ("since", "until"))
    return Asked(fields, since, until + timedelta(days=1) if until else None, errors)


def _clean(text: str) -> str:
    return "".join(one for one in text[:LONGEST] if one.isprintable()).strip()


def _day(text: str, name: str, errors: dict[str, str]) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        errors[name] = "Write a day as 2026-03-31."
        return None
