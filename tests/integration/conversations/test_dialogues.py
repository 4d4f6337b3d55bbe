"""The table of dialogues: small conversations, each with the end of every letter, on the real stages and store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.console.books import balance
from services.console.facts import read_facts
from shared.domain.ticket import TicketState
from shared.observability.metrics import Metrics
from shared.store.client import Store
from tests.support.conversations import (
    BOB,
    DAEMON,
    EVE,
    Again,
    Closes,
    Deletes,
    Desk,
    Flying,
    Happening,
    Letter,
    Passes,
    Renames,
    Together,
)
from tests.support.embedded_store import FakeClock


@dataclass(frozen=True)
class Dialogue:
    """What happens, in order. `support` is the mailbox' further settings, `states` how tickets are in the end (open,
    where it does not say), `tickets` and `articles` how many there are then."""

    name: str
    happens: tuple[Happening, ...]
    tickets: int
    articles: int = 0
    states: Mapping[str, str] = field(default_factory=dict)
    support: Mapping[str, Any] = field(default_factory=dict)


NEW_TICKET = {"replies": {"toClosed": "new_ticket"}}
NO_DUPLICATES = {"domains": {"allowDuplicates": False}}
A = Letter("a", "opens")
BOBS = Letter("bobs", "opens", sender=BOB, subject="Screen is black")
MANY = tuple(f"<{n}@elsewhere.example>" for n in range(5_000))


def reply(key: str = "b", end: str = "reply a", **more: Any) -> Letter:
    return Letter(key, end, **{"subject": "Re: Printer on fire", "text": "It still burns.\n", **more})


DIALOGUES = (
    # What names a ticket.
    Dialogue("a reply to our acknowledgement", (A, reply(answers="ack a", by="in_reply_to")), 1, 1),
    Dialogue("a reply to a reply", (A, reply(answers="ack a"), reply("c", answers="b", references=("a", "b"))), 1, 2),
    Dialogue(
        "our mail only in the References",
        (A, reply(answers="x", references=("a", "ack a", "x"), by="references")),
        1,
        1,
    ),
    Dialogue("a second mail of the requester, to the first", (A, reply(answers="a", by="known_mail")), 1, 1),
    Dialogue("known mails only in the References", (A, reply(references=("x", "a", "y"), by="known_mail")), 1, 1),
    Dialogue("only the ticket's own address", (A, reply(to="{plus a}", by="plus_address")), 1, 1),
    Dialogue("only the tag in the subject", (A, reply(subject="Re: [{tag a}] We received", by="subject")), 1, 1),
    Dialogue("a tag that a program wrote in small letters", (A, reply(subject="re: x [{tag a}] y")), 1, 1),
    Dialogue("prefixes of many languages", (A, reply(subject="Re: AW: SV: 回复: [{tag a}] We received")), 1, 1),
    Dialogue("a changed subject", (A, reply(subject="Something else", answers="ack a")), 1, 1),
    Dialogue("the references are cut and the subject is ours", (A, reply(answers="x", subject="[{tag a}]")), 1, 1),
    Dialogue("the bare number proves nothing", (A, reply("b", "opens", subject="Re: [{number a}] x")), 2),
    Dialogue("the same subject proves nothing", (A, reply("b", "opens")), 2),
    Dialogue("a reply to a mail that nobody knows", (A, reply("b", "opens", answers="nobody")), 2),
    Dialogue("a mail that refers to itself", (Letter("a", "opens", answers="a", references=("a", "a")),), 1),
    # Who may write.
    Dialogue(
        "the requester forwards our mail to us", (A, reply(subject="Fwd: [{tag a}] We", references=("ack a",))), 1, 1
    ),
    Dialogue(
        "a stranger who was forwarded our mail answers",
        (A, reply("b", "opens, perhaps a", sender=EVE, references=("ack a", "fwd"), by="references")),
        2,
    ),
    Dialogue("a stranger with our Message-ID", (A, reply("b", "opens, perhaps a", sender=EVE, answers="ack a")), 2),
    Dialogue("a stranger who answers the first mail", (A, reply("b", "opens, perhaps a", sender=BOB, answers="a")), 2),
    Dialogue("a stranger with our tag", (A, reply("b", "opens, perhaps a", sender=EVE, subject="[{tag a}]")), 2),
    Dialogue("a stranger with our address", (A, reply("b", "opens, perhaps a", sender=EVE, to="{plus a}")), 2),
    Dialogue(
        "a stranger in Cc joins nothing",
        (Letter("a", "opens", cc="bob@people.example"), reply("b", "opens, perhaps a", sender=BOB, answers="ack a")),
        2,
    ),
    Dialogue(
        "the requester answers a stranger who answered him",
        (
            A,
            Letter("b", "opens, perhaps a", sender=BOB, answers="a"),
            reply("c", answers="b", references=("a", "b"), by="known_mail"),
        ),
        2,
        1,
    ),
    Dialogue(
        "a sender in doubt",
        (A, reply("b", "opens, perhaps a", sender="Ann <ann@people.example>, Eve <eve@evil.example>", answers="ack a")),
        2,
    ),
    Dialogue(
        "a display name that looks like the requester",
        (A, reply("b", "opens, perhaps a", sender='"ann@people.example" <eve@evil.example>', answers="ack a")),
        2,
    ),
    Dialogue("the requester in capitals", (A, reply(sender="ANN@People.Example", answers="ack a")), 1, 1),
    Dialogue(
        "nobody takes part in the ticket of a sender in doubt",
        (
            Letter("a", "opens", sender="ann@people.example, bob@people.example"),
            reply("b", "opens, perhaps a", answers="ack a"),
        ),
        2,
    ),
    # Forgeries.
    Dialogue("a forged Message-ID in In-Reply-To", (A, reply("b", "opens", answers="forged a")), 2),
    Dialogue("a forged Message-ID in References", (A, reply("b", "opens", references=("forged a",))), 2),
    Dialogue("a forged address", (A, reply("b", "opens", to="{forged a}, support@example.com")), 2),
    Dialogue("a forged tag", (A, reply("b", "opens", subject="[{forged a}]")), 2),
    Dialogue("a forged mark beside a genuine one", (A, reply(answers="forged a", references=("ack a",))), 1, 1),
    Dialogue("five thousand references", (A, reply("b", "opens", references=MANY)), 2),
    Dialogue("five thousand references and our mail", (A, reply(answers="ack a", references=MANY)), 1, 1),
    # Two tickets.
    Dialogue(
        "two tickets named: In-Reply-To wins",
        (A, Letter("b", "opens"), reply("c", "reply b", answers="ack b", references=("ack a",))),
        2,
        1,
    ),
    Dialogue(
        "two tickets named: the newest reference wins",
        (A, Letter("b", "opens"), reply("c", "reply b", references=("ack a", "ack b"))),
        2,
        1,
    ),
    Dialogue(
        "two tickets named: a Message-ID is stronger than a tag",
        (A, Letter("b", "opens"), reply("c", answers="ack a", subject="[{tag b}]")),
        2,
        1,
    ),
    Dialogue(
        "two tickets named, but he takes part only in the weaker",
        (A, BOBS, reply("c", answers="ack bobs", references=("ack a",))),
        2,
        1,
    ),
    Dialogue(
        "two genuine tags: neither counts",
        (A, Letter("b", "opens"), reply("c", "opens, perhaps a", subject="[{tag a}] [{tag b}]")),
        3,
    ),
    Dialogue("the same tag twice", (A, reply(subject="Re: [{tag a}] Fwd: [{tag a}]")), 1, 1),
    # Closed tickets.
    Dialogue("a reply reopens", (A, Closes("a"), reply(answers="ack a")), 1, 1),
    Dialogue(
        "a reply to a closed ticket opens a linked one",
        (A, Closes("a"), reply("b", "opens, follows a", answers="ack a")),
        2,
        states={"a": "closed"},
        support=NEW_TICKET,
    ),
    Dialogue(
        "with linked tickets, an open one still takes replies", (A, reply(answers="ack a")), 1, 1, support=NEW_TICKET
    ),
    Dialogue(
        "a follow-up has its own conversation",
        (A, Closes("a"), reply("b", "opens, follows a", answers="ack a"), reply("c", "reply b", answers="ack b")),
        2,
        1,
        states={"a": "closed"},
        support=NEW_TICKET,
    ),
    Dialogue(
        "three replies at once to a closed ticket",
        (A, Closes("a"), Together(tuple(reply(key, answers="ack a", text=key) for key in "bcd"))),
        1,
        3,
    ),
    Dialogue(
        "closed again after a reply, and the reply is redelivered",
        (A, Closes("a"), reply(answers="ack a"), Closes("a"), Again({"b": "reply a"})),
        1,
        1,
        states={"a": "closed"},
    ),
    Dialogue(
        "closed again, and another reply",
        (A, Closes("a"), reply(answers="ack a"), Closes("a"), reply("c", answers="ack a")),
        1,
        2,
    ),
    Dialogue(
        "a stranger reopens nothing",
        (A, Closes("a"), reply("b", "opens, perhaps a", sender=EVE, answers="ack a")),
        2,
        states={"a": "closed"},
    ),
    # Replies that overtake.
    Dialogue("the parent comes later in the same batch", (Together((reply(answers="a"), A)),), 1, 1),
    Dialogue(
        "a chain backwards in one batch",
        (Together((reply("d", answers="c"), reply("c", answers="b"), reply("b", answers="a"), A)),),
        1,
        3,
    ),
    Dialogue(
        "the parent is in flight, and comes",
        (Flying(A), reply("b", "waits", answers="a"), Again({"a": "opens"}), Again({"b": "reply a"})),
        1,
        1,
    ),
    Dialogue(
        "the parent is in flight, and never comes",
        (Flying(A), reply("b", "waits", answers="a"), Passes(121), Again({"b": "opens"})),
        1,
    ),
    Dialogue(
        "an old reply still finds its parent in the same batch",
        (Flying(A), Flying(reply(answers="a")), Passes(3600), Again({"b": "reply a", "a": "opens"})),
        1,
        1,
    ),
    Dialogue(
        "two mails that answer each other",
        (
            Together((Letter("a", "waits", answers="b"), reply("b", "waits", answers="a"))),
            Passes(121),
            Again({"a": "opens", "b": "opens"}),
        ),
        2,
    ),
    Dialogue(
        "a parent in flight holds up nobody who is named by a mark",
        (A, Flying(Letter("f", "opens")), reply(answers="f", references=("ack a",))),
        1,
        1,
    ),
    # Repeats.
    Dialogue("the same answer twice is two answers", (A, reply(answers="ack a"), reply("c", answers="ack a")), 1, 2),
    Dialogue("a redelivered reply is one", (A, reply(answers="ack a"), Again({"b": "reply a"})), 1, 1),
    Dialogue(
        "a copy of a reply is counted",
        (
            A,
            reply(answers="a", message_id="<r@x>"),
            reply("c", "duplicate a", answers="a", message_id="<r@x>"),
        ),
        1,
        1,
        support=NO_DUPLICATES,
    ),
    Dialogue(
        "a reply to a mail that was a duplicate",
        (A, Letter("c", "duplicate a"), reply(answers="c")),
        1,
        1,
        support=NO_DUPLICATES,
    ),
    Dialogue(
        "a copy and its original in one batch, backwards",
        (Together((Letter("c", "opens"), Letter("a", "duplicate c"))),),
        1,
        support=NO_DUPLICATES,
    ),
    Dialogue(
        "the same words to two tickets are two replies, without duplicates",
        (A, BOBS, reply(answers="ack a", text="Thanks.\n"), reply("c", answers="ack a", text="Thanks.\n")),
        2,
        2,
        support=NO_DUPLICATES,
    ),
    Dialogue(
        "the same Message-ID with other words is another mail",
        (A, reply("b", "opens", message_id="<a@people.example>")),
        2,
        support=NO_DUPLICATES,
    ),
    # Machines.
    Dialogue("a bounce of our mail", (A, Letter("b", "note a", sender=DAEMON, reports="ack a", by="reported")), 1, 1),
    Dialogue(
        "a bounce of our mail reopens nothing",
        (A, Closes("a"), Letter("b", "note a", sender=DAEMON, reports="ack a")),
        1,
        1,
        states={"a": "closed"},
    ),
    Dialogue(
        "a bounce of our mail opens no linked ticket",
        (A, Closes("a"), Letter("b", "note a", sender=DAEMON, reports="ack a")),
        1,
        1,
        states={"a": "closed"},
        support=NEW_TICKET,
    ),
    Dialogue("a bounce of somebody's mail", (A, Letter("b", "opens", sender=DAEMON, reports="x")), 2),
    Dialogue("a bounce with a forged mark", (A, Letter("b", "opens", sender=DAEMON, reports="forged a")), 2),
    Dialogue(
        "bounces of others' mail are rejected, and ours are notes all the same",
        (
            A,
            Letter("b", "note a", sender=DAEMON, reports="ack a"),
            Letter("c", "rejected automatic_mail", sender=DAEMON, reports="x"),
        ),
        1,
        1,
        support={"automaticMail": {"bounces": "reject", "outOfOffice": "reject"}},
    ),
    Dialogue(
        "a vacation notice of the requester",
        (A, Closes("a"), reply("b", "note a", answers="ack a", headers={"Auto-Submitted": "auto-replied"})),
        1,
        1,
        states={"a": "closed"},
    ),
    Dialogue(
        "a vacation notice without any sign of it is a reply",
        (A, reply(subject="I am on holiday", answers="ack a")),
        1,
        1,
    ),
    Dialogue(
        "a vacation notice of a stranger",
        (
            A,
            reply("b", "opens, perhaps a", sender=BOB, answers="ack a", headers={"Auto-Submitted": "auto-replied"}),
        ),
        2,
    ),
    Dialogue(
        "an answer through a mailing list is a person's",
        (
            A,
            Closes("a"),
            reply(answers="ack a", headers={"List-Id": "<team.people.example>", "Precedence": "list"}),
        ),
        1,
        1,
    ),
    Dialogue(
        "our own mail comes back",
        (A, Letter("b", "rejected own_loop", sender="support@example.com", references=("ack a",))),
        1,
    ),
    # Several mailboxes.
    Dialogue(
        "a reply to the ticket of a request",
        (
            Letter("a", "opens", to="orders@example.com", mailbox="orders"),
            reply(to="orders@example.com", mailbox="orders", answers="ack a"),
        ),
        1,
        1,
    ),
    Dialogue(
        "a reply that goes to another mailbox of the same module",
        (A, reply(to="sales@example.com", mailbox="sales", answers="ack a")),
        1,
        1,
    ),
    Dialogue(
        "a reply that goes to a mailbox of the other module",
        (A, reply("b", "opens, perhaps a", to="orders@example.com", mailbox="orders", answers="ack a")),
        2,
    ),
    Dialogue(
        "a tag never crosses mailboxes",
        (A, reply("b", "opens", to="sales@example.com", mailbox="sales", subject="[{tag a}]")),
        2,
    ),
    Dialogue(
        "known mails never cross mailboxes",
        (A, reply("b", "opens", to="sales@example.com", mailbox="sales", answers="a")),
        2,
    ),
    Dialogue(
        "a bounce that comes to another mailbox",
        (A, Letter("b", "note a", sender=DAEMON, reports="ack a", mailbox="orders")),
        1,
        1,
    ),
    Dialogue(
        "one mail to two mailboxes, and the replies to each",
        (
            Letter("a", "opens", to="support@example.com, sales@example.com"),
            Letter(
                "s",
                "opens",
                to="support@example.com, sales@example.com",
                mailbox="sales",
                message_id="<a@people.example>",
            ),
            reply(answers="a", to="support@example.com, sales@example.com"),
            reply("c", "reply s", answers="a", to="support@example.com, sales@example.com", mailbox="sales"),
        ),
        2,
        2,
    ),
    Dialogue(
        "the mailbox was renamed",
        (A, Renames("support", "helpdesk"), reply(answers="ack a", mailbox="helpdesk")),
        1,
        1,
    ),
    Dialogue(
        "the mailbox was renamed, and only the address names the ticket",
        (A, Renames("support", "helpdesk"), reply(to="{plus a}", mailbox="helpdesk")),
        1,
        1,
    ),
    # Tickets that are gone.
    Dialogue("the ticket was deleted", (A, Deletes("a"), reply("b", "opens", answers="ack a")), 1),
    Dialogue("the ticket was deleted, known by its mail", (A, Deletes("a"), reply("b", "opens", answers="a")), 1),
    Dialogue(
        "the ticket was deleted, named by its tag", (A, Deletes("a"), reply("b", "opens", subject="[{tag a}]")), 1
    ),
)


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda one: one.name)
async def test_every_dialogue_ends_as_the_table_says(
    store: Store, clock: FakeClock, metrics: Metrics, dialogue: Dialogue
) -> None:
    """And once more for every letter, as if all were redelivered: nothing changes, every event is the same again."""
    desk = await Desk.open(store, clock, metrics, dialogue.support)
    for one in dialogue.happens:
        await desk.happen(one)
    await _is_as_told(desk, dialogue)
    before = {key: set(ids) for key, ids in desk.events.items()}
    deleted = {one.key for one in dialogue.happens if isinstance(one, Deletes)}
    await desk.post(*(before.keys() - deleted))
    assert desk.events == before
    assert all(len(ids) == 1 for ids in before.values())
    await _is_as_told(desk, dialogue)


async def _is_as_told(desk: Desk, dialogue: Dialogue) -> None:
    assert await desk.store.tickets.count() == dialogue.tickets
    articles = [one async for one in desk.store.articles.since(desk.clock.now().replace(year=2000))]
    assert len(articles) == dialogue.articles
    for one in articles:
        letter = desk.letters[one.article.mail_id]
        assert letter.reports or one.article.text.strip() == letter.text.strip(), "the whole text is kept"
    for ticket in await desk.store.tickets.list(limit=100):
        state = dialogue.states.get(ticket.origin_mail_id, TicketState.OPEN)
        assert ticket.state == state, ticket.origin_mail_id
        assert ticket.changed_at is not None or not await desk.conversation(ticket.origin_mail_id)
    if not any(isinstance(one, Deletes) for one in dialogue.happens):
        assert balance(await read_facts(desk.store)).findings == ()


def test_the_table_has_every_kind_of_end() -> None:
    """At least forty dialogues."""
    told = [letter.end for dialogue in DIALOGUES for one in dialogue.happens for letter in _letters(one)]
    assert {end.split()[0].rstrip(",") for end in told} == {"opens", "reply", "note", "duplicate", "rejected", "waits"}
    assert {"opens, perhaps a", "opens, follows a"} <= set(told)
    assert len(DIALOGUES) >= 40


def _letters(one: Happening) -> tuple[Letter, ...]:
    match one:
        case Letter():
            return (one,)
        case Together(letters):
            return letters
        case Flying(letter):
            return (letter,)
        case _:
            return ()
