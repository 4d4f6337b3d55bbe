"""The answer does not go to a mailbox of ours.

Sender and Reply-To are compared with the addresses and aliases of every mailbox, with and without a plus tag: two
mailboxes must never write to each other."""

from services.notifier.conditions.condition import Asked, Condition, Reason


def check(asked: Asked) -> str | None:
    """Our own mailboxes are never answered."""
    sender = (asked.answerable.sender,) if asked.answerable.sender else ()
    addresses = [one.address for one in (*sender, *asked.answerable.reply_to)]
    own = any(one in asked.own_addresses or _without_tag(one) in asked.own_addresses for one in addresses)
    return "The answer would go to a mailbox of ours." if own else None


def _without_tag(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


CONDITION = Condition(Reason.OWN_ADDRESS, __doc__, check)
