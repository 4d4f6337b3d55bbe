"""What the navigation offers, by role. An entry appears as soon as its page is in the table. Pure."""

from dataclasses import dataclass, replace

from shared.domain.access import Role


@dataclass(frozen=True, slots=True)
class Entry:
    """A link of the navigation; `here` on the pages under it. Those `apart` stand in the visitor's own menu."""

    title: str
    path: str
    role: Role
    apart: bool = False
    here: bool = False


ENTRIES = (
    Entry("Overview", "/", Role.VIEWER),
    Entry("Mailboxes", "/mailboxes", Role.VIEWER),
    Entry("Mails", "/mails", Role.VIEWER),
    Entry("Tickets", "/tickets", Role.VIEWER),
    Entry("Catalogue", "/catalogue", Role.VIEWER),
    Entry("Quarantine", "/quarantine", Role.OPERATOR),
    Entry("Events", "/events", Role.VIEWER),
    Entry("Users", "/users", Role.ADMINISTRATOR, apart=True),
    Entry("API tokens", "/tokens", Role.ADMINISTRATOR, apart=True),
    Entry("Audit log", "/audit", Role.ADMINISTRATOR, apart=True),
)
"""All of them, in order."""


def entries(role: Role | None, path: str) -> tuple[Entry, ...]:
    """Those that a visitor of that role may follow; none for somebody who is not signed in."""
    return tuple(
        replace(one, here=path == one.path or path.startswith(f"{one.path}/"))
        for one in ENTRIES
        if role is not None and role.covers(one.role)
    )
