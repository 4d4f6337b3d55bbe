"""Whether the effect of a decision is there: what the balance of the books comes down to. Pure."""

from collections.abc import Container

from shared.domain.decision import Kind


def is_there(kind: Kind, mail_id: str, origin_mail_id: str, duplicates: Container[str]) -> bool:
    """Whether the ticket that a decision names, with this origin and these duplicates, says so too."""
    if kind is Kind.DUPLICATE:
        return mail_id in duplicates
    return kind is not Kind.TICKET or origin_mail_id == mail_id
