"""Who may let a mailbox read its secret from a file or variable of the server: administrators only.

Otherwise an editor could name any file or variable of ours and a mail server of their own to send it to.
"""

from services.console.api.problems import Refused
from shared.domain.access import Role
from shared.domain.bindings import secret_binding
from shared.domain.mailbox import SECRET_FIELDS, Mailbox, MailboxSpec
from shared.store.mailboxes import source_of


def check_sources(role: Role, name: str, spec: MailboxSpec, old: Mailbox | None) -> None:
    """Raise Refused 403 if such a source is new, or goes to another server or user than before."""
    if role.covers(Role.ADMINISTRATOR):
        return
    for part, key in SECRET_FIELDS:
        field = f"{part}.{key}"
        source = source_of(spec, field)
        if source is None or source.stored or (old is not None and _as_before(name, spec, old, field)):
            continue
        remedy = "give the secret itself, or let an administrator do it"
        what = "only an administrator may let a mailbox read a secret from a file or variable of the server"
        raise Refused(403, what, where=f"spec.{field}", remedy=remedy, code="secret_source_forbidden")


def _as_before(name: str, spec: MailboxSpec, old: Mailbox, field: str) -> bool:
    same_place = secret_binding(spec, name, field) == secret_binding(old.spec, name, field)
    return same_place and source_of(spec, field) == source_of(old.spec, field)
