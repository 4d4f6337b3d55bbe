"""What the navigation offers, by role. An entry appears as soon as its page is in the table. Pure."""

from dataclasses import dataclass

from shared.domain.access import Role


@dataclass(frozen=True, slots=True)
class Entry:
    """A link of the navigation; `here` on the pages under it."""

    title: str
    path: str
    role: Role
    here: bool = False


ENTRIES = (
    Entry("Overview", "/", Role.VIEWER),
    Entry("Mailboxes", "/mailboxes", Role.VIEWER),
    Entry("Mails", "/mails", Role.VIEWER),
    Entry("Tickets", "/tickets", Role.VIEWER),
    Entry("Catalogue", "/catalogue", Role.VIEWER),
    Entry("Quarantine", "/quarantine", Role.OPERATOR),
    Entry("Events", "/events", Role.VIEWER),
    Entry("Users", "/users", Role.ADMINISTRATOR),
    Entry("API tokens", "/tokens", Role.ADMINISTRATOR),
    Entry("Audit log", "/audit", Role.ADMINISTRATOR),
)
"""All of them, in order."""


def entries(role: Role | None, path: str) -> tuple[Entry, ...]:
    """Those that a visitor of that role may follow; none for somebody who is not signed in."""
    return tuple(
        Entry(one.title, one.path, one.role, path == one.path or path.startswith(f"{one.path}/"))
        for one in ENTRIES
        if role is not None and role.covers(one.role)
    )
