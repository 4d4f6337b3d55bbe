"""The conditions for an acknowledgement, in the order in which they are asked. The first that fails is the reason.

The budgets come last, when the acknowledgement is about to be sent (`services.notifier.delivery`).
"""

from services.notifier.conditions import (
    authenticated,
    automatic,
    backlog,
    delivery_report,
    hops,
    imported,
    loop_marker,
    machine_address,
    mailbox_gone,
    mailing_list,
    not_addressed,
    null_sender,
    one_sender,
    own_address,
    recipient,
    replies_suppressed,
    sender,
    switched_off,
)

CONDITIONS = (
    mailbox_gone.CONDITION,
    switched_off.CONDITION,
    loop_marker.CONDITION,
    sender.CONDITION,
    one_sender.CONDITION,
    own_address.CONDITION,
    hops.CONDITION,
    delivery_report.CONDITION,
    null_sender.CONDITION,
    machine_address.CONDITION,
    mailing_list.CONDITION,
    automatic.CONDITION,
    replies_suppressed.CONDITION,
    not_addressed.CONDITION,
    imported.CONDITION,
    backlog.CONDITION,
    authenticated.CONDITION,
    recipient.CONDITION,
)
