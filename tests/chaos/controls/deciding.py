"""What makes one mail one decision, one ticket and one event."""

from tests.chaos.controls.control import Control, Patch

RANDOM_TICKET_ID = (
    Patch(
        "services/ticket_writer/decide.py",
        "        ticket_id=decision.ticket_id or identity.ticket_id(mail.mail_id),\n",
        "        ticket_id=identity.ticket_id(uuid4().hex),\n",
    ),
    Patch(
        "services/ticket_writer/decide.py",
        "from datetime import datetime\n",
        "from datetime import datetime\nfrom uuid import uuid4\n",
    ),
)
NO_UNIQUE_INDEX = (
    Patch("shared/store/indexes.py", 'Index("tickets", ("number",), unique=True)', 'Index("tickets", ("number",))'),
    Patch(
        "shared/store/indexes.py",
        'Index("tickets", ("origin_mail_id",), unique=True)',
        'Index("tickets", ("origin_mail_id",))',
    ),
)

CONTROLS = (
    Control(
        "random-ticket-id",
        "a ticket's id is random; the unique index refuses the second ticket, and the mail cannot be brought to an end",
        RANDOM_TICKET_ID,
        "W7",
        "unexpected I2 .*quarantined, ticket_conflict",
    ),
    Control(
        "no-unique-index",
        "tickets have no unique index, and their ids, which would make up for it, are random",
        (*RANDOM_TICKET_ID, *NO_UNIQUE_INDEX),
        "W7",
        "doubled I[45] ",
    ),
    Control(
        "decision-without-cas",
        "a decision is written over one that is there",
        (
            Patch(
                "shared/store/ledger.py",
                '"state": State.STORED.value, "decision": None, "version": version}',
                '"version": version}',
            ),
        ),
        "W8",
        "unexpected I3 decided as ",
    ),
    Control(
        "outbox-elsewhere",
        "the ticket's document does not hold the event that it owes",
        (
            Patch(
                "shared/store/tickets.py",
                '    content = ticket.model_dump(exclude={"ticket_id", "changed_at", "erased_at"})\n',
                '    ticket = ticket.model_copy(update={"outbox": ()})\n'
                '    content = ticket.model_dump(exclude={"ticket_id", "changed_at", "erased_at"})\n',
            ),
        ),
        "W9",
        "lost I10 0 distinct ticket.created events",
    ),
    Control(
        "no-claims-of-duplicates",
        "the first mail with some content does not own it",
        (Patch("services/filter/handler.py", "if owner != one.mail_id}", "if False}"),),
        "W1",
        "unexpected I6 duplicate ended as ticket",
    ),
)
