"""The server that the mailbox names in authservId vouches for the sender (acknowledgements.requireAuthenticated).

Otherwise anybody could make us write to anybody. Without authservId nobody can vouch, and this does not apply."""

from services.notifier.conditions.condition import Asked, Condition, Reason


def check(asked: Asked) -> str | None:
    """DMARC, or DKIM of the sender's domain."""
    spec = asked.spec
    needed = spec is not None and spec.acknowledgements.require_authenticated and spec.authserv_id is not None
    return "Nobody vouches for the sender (DMARC, DKIM)." if needed and not asked.authenticated else None


CONDITION = Condition(Reason.NOT_AUTHENTICATED, __doc__, check)
