"""The catalogue: services a ticket can impact, processes it can be routed into, departments that own it."""

from typing import Annotated

from pydantic import Field, StringConstraints

from shared.domain.patterns import AddressPattern
from shared.domain.value import Document, Slug

Keyword = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Department(Document):
    """An organisational unit that owns tickets."""

    name: Slug
    title: str = ""


class Service(Document):
    """An IT service. Its keywords are found in subjects as whole words, whatever their case or accents."""

    name: Slug
    title: str = ""
    keywords: tuple[Keyword, ...] = ()
    department: Slug | None = None


class Process(Document):
    """A workflow. It takes a mail if a keyword is in the subject and each given sender or recipient condition holds.

    With no keywords the conditions alone decide; with neither it takes nothing.
    """

    name: Slug
    title: str = ""
    keywords: tuple[Keyword, ...] = ()
    senders: tuple[AddressPattern, ...] = ()
    recipients: tuple[AddressPattern, ...] = ()
    department: Slug | None = None


class Catalogue(Document):
    """All of it, in catalogue order (which breaks ties), at one revision."""

    revision: int = 0
    services: tuple[Service, ...] = Field(default=())
    processes: tuple[Process, ...] = Field(default=())
    departments: tuple[Department, ...] = Field(default=())

    def service(self, name: str | None) -> Service | None:
        """The service of that name, or None."""
        return next((one for one in self.services if one.name == name), None)

    def process(self, name: str | None) -> Process | None:
        """The process of that name, or None."""
        return next((one for one in self.processes if one.name == name), None)
