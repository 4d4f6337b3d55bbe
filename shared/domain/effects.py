"""Whether the effect of a decision is there: what the balance of the books comes down to. Pure."""

from collections.abc import Container

from shared.domain.decision import Kind


def is_there(kind: Kind, mail_id: str, origin_mail_id: str, duplicates: Container[str], *, appended: bool) -> bool:
    """Whether the ticket that a decision names says so too: it has this origin and these duplicates, and the mail was
    `appended` to it or not. A rejection has no effect to wait for."""
    match kind:
        case Kind.DUPLICATE:
            return mail_id in duplicates
        case Kind.REPLY:
            return appended
        case Kind.TICKET:
            return origin_mail_id == mail_id
        case Kind.REJECTED:
            return True
