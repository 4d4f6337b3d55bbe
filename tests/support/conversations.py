"""Dialogues: letters as raw mails, through the real parser, filter, classifier and ticket writer, on a real store.

A letter names others by key: its Message-ID is `<key@people.example>`, its mail_id is the key, and the ticket that it
opens is known by the key too. In `answers`, `references` and the subject stand words that are filled in once known:
`b` is the Message-ID of letter b; `ack a` that of our acknowledgement of ticket a; `forged a` one that only looks like
it; `{tag a}`, `{forged a}`, `{number a}` in a subject, `{plus a}` and `{forged a}` in an address say the same there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.classifier.handler import Classifier
from services.filter.handler import Filter
from services.ticket_writer.handler import TicketWriter
from shared.contracts.codec import decode
from shared.contracts.messages import EmailAccepted, EmailClassified, EmailFetched
from shared.domain import identity
from shared.domain.decision import Decision, Kind, Relation
from shared.domain.email import Email
from shared.domain.errors import AutomatorError
from shared.domain.mailbox import Mailbox
from shared.domain.marks import Marks
from shared.domain.ticket import Appended, Ticket
from shared.mail.headline import headline
from shared.mail.parse import parse
from shared.observability.metrics import Metrics
from shared.runtime.configuration import Configuration
from shared.runtime.consume.outcome import Outcome, Result
from shared.store.client import Store
from tests.support import builders
from tests.support.embedded_store import FakeClock
from tests.support.mails import mail

ANN, BOB, EVE = "Ann <ann@people.example>", "Bob <bob@people.example>", "Eve <eve@evil.example>"
DAEMON = "Mail Delivery System <mailer-daemon@mx.people.example>"
STRANGERS_KEY = Marks([b"t" * 32])
_WORD = re.compile(r"\{(tag|forged|number|plus) (\w+)\}")


@dataclass(frozen=True)
class Letter:
    """A mail. `end` is what becomes of it: `opens`, `opens, perhaps KEY`, `opens, follows KEY`, `reply KEY`, `note
    KEY`, `duplicate KEY`, `rejected CODE`, `waits` - KEY being the letter that opened the ticket. `reports` makes it a
    delivery report about that mail."""

    key: str
    end: str
    sender: str = ANN
    to: str = "support@example.com"
    cc: str | None = None
    subject: str = "Printer on fire"
    text: str = "It burns.\n"
    answers: str = ""
    references: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    reports: str = ""
    message_id: str = ""
    mailbox: str = "support"
    by: str = ""
    """What the trace must say that it was matched by."""


@dataclass(frozen=True)
class Together:
    """Letters that come in one batch, in this order."""

    letters: tuple[Letter, ...]


@dataclass(frozen=True)
class Flying:
    """A letter that is ours and not decided: another worker has it."""

    letter: Letter


@dataclass(frozen=True)
class Again:
    """Letters that waited, or are redelivered, are looked at again, in one batch: their ends by key."""

    ends: Mapping[str, str]


@dataclass(frozen=True)
class Closes:
    """Somebody closes the ticket that a letter opened."""

    key: str


@dataclass(frozen=True)
class Deletes:
    """A ticket is deleted."""

    key: str


@dataclass(frozen=True)
class Passes:
    """Time passes."""

    seconds: int


@dataclass(frozen=True)
class Renames:
    """A mailbox gets another name: the old one is deleted, the new one reads the same address."""

    old: str
    new: str


Happening = Letter | Together | Flying | Again | Closes | Deletes | Passes | Renames


class _Parser:
    async def parse(self, raws: Sequence[bytes]) -> list[Email]:
        return [parse(raw) for raw in raws]


@dataclass
class Desk:
    """A support desk: three mailboxes and every stage from raw mail to ticket."""

    store: Store
    clock: FakeClock
    metrics: Metrics
    configuration: Configuration
    marks: Marks
    filter: Filter
    writer: TicketWriter
    letters: dict[str, Letter] = field(default_factory=dict)
    arrived: dict[str, datetime] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    events: dict[str, set[bytes]] = field(default_factory=dict)
    """The events that were published, by mail, each whole."""

    @classmethod
    async def open(cls, store: Store, clock: FakeClock, metrics: Metrics, support: Mapping[str, Any] | None = None):
        """The mailboxes `support`, `sales` (tickets) and `orders` (requests); `support` with further settings."""
        boxes = {
            "support": {**(support or {})},
            "sales": {"email": "sales@example.com"},
            "orders": {"email": "orders@example.com", "module": "request"},
        }
        for name, spec in boxes.items():
            await store.mailboxes.put(builders.mailbox(name, **spec), {})
        configuration = Configuration(store, metrics)
        await configuration.refresh()
        marks = await store.mark_keys.marks()
        stage = Filter(_Parser(), store.raw, store.ledger, store.fingerprints, configuration, clock, "/test", marks)
        writer = TicketWriter(store, configuration, marks, clock, metrics, "/test")
        return cls(store, clock, metrics, configuration, marks, stage, writer)

    async def enter(self, *letters: Letter) -> None:
        """Make letters ours: raw mail and ledger entry."""
        raws = {one.key: self.raw(one) for one in letters}
        self.letters |= {one.key: one for one in letters}
        self.arrived |= dict.fromkeys(raws, self.clock.now())
        await self.store.raw.put_many(raws)
        await self.store.ledger.insert_many(
            [
                builders.entry(
                    one.key,
                    mailbox_name=one.mailbox,
                    headline=headline(raws[one.key]),
                    stored_at=self.clock.now(),
                    progress_at=self.clock.now(),
                )
                for one in letters
            ]
        )

    async def classified(self, *keys: str) -> tuple[list[EmailClassified], dict[str, str]]:
        """Letters as they reach the ticket writer, and the ends of those that do not."""
        fetched = [
            EmailFetched(
                mail_id=key,
                mailbox=self.letters[key].mailbox,
                received_at=self.arrived[key],
                fetched_at=self.clock.now(),
                size=9,
            )
            for key in keys
        ]
        outcomes = await self.filter.handle(fetched)
        await self.filter.settle(fetched, outcomes)
        accepted: list[EmailAccepted] = []
        ends: dict[str, str] = {}
        for key, outcome in zip(keys, outcomes, strict=True):
            assert isinstance(outcome, Outcome), outcome
            if outcome.label == "rejected":
                ends[key] = f"rejected {outcome.reason}"
            else:
                accepted.append(_passed(outcome, EmailAccepted))
        results = await Classifier(self.configuration).handle(accepted)
        return [_passed(one, EmailClassified) for one in results], ends

    async def post(self, *keys: str) -> dict[str, str]:
        """Take letters through every stage in one batch; how each ended."""
        mails, ends = await self.classified(*keys)
        outcomes = await self.writer.handle(mails)
        for one, outcome in zip(mails, outcomes, strict=True):
            if isinstance(outcome, Outcome):
                self.events.setdefault(one.mail_id, set()).update(out.envelope.body for out in outcome.publish)
            ends[one.mail_id] = await self._end(one.mail_id, outcome)
        await self.writer.settle(mails, outcomes)
        return ends

    async def ticket(self, key: str) -> Ticket:
        """The ticket that a letter opened."""
        found = await self.store.tickets.get(identity.ticket_id(key))
        assert found is not None, f"letter {key} opened no ticket"
        return found

    async def conversation(self, key: str) -> list[Appended]:
        """What was appended to the ticket that a letter opened."""
        return list(await self.store.articles.of_ticket(identity.ticket_id(key)))

    async def happen(self, one: Happening) -> None:
        """Let it happen, and check the ends that it names."""
        match one:
            case Letter():
                await self.happen(Together((one,)))
            case Together(letters):
                await self.enter(*letters)
                ends = await self.post(*(letter.key for letter in letters))
                assert ends == {letter.key: letter.end for letter in letters}
                for letter in letters:
                    await self._check_trace(letter)
            case Flying(letter):
                await self.enter(letter)
            case Again(ends):
                assert await self.post(*ends) == ends
            case Closes(key):
                assert await self.store.tickets.close(identity.ticket_id(key), self.clock.now())
            case Deletes(key):
                await self.store.collection("tickets").delete({"_id": identity.ticket_id(key)})
            case Passes(seconds):
                self.clock.advance(seconds=seconds)
            case Renames(old, new):
                await self._rename(old, new)

    def raw(self, letter: Letter) -> bytes:
        """The bytes of a letter."""
        if letter.reports:
            return _report(letter, self._id(letter.reports), self._filled(letter.subject))
        answers = {"In-Reply-To": " ".join(map(self._id, filter(None, [letter.answers])))}
        references = {"References": " ".join(map(self._id, letter.references))}
        fields = {name: value for name, value in {**answers, **references}.items() if value}
        return mail(
            sender=letter.sender,
            to=self._filled(letter.to),
            cc=letter.cc,
            subject=self._filled(letter.subject),
            text=letter.text,
            message_id=letter.message_id or f"<{letter.key}@people.example>",
            headers={**fields, **letter.headers},
        )

    def _id(self, word: str) -> str:
        kind, _, key = word.rpartition(" ")
        if not kind:
            return word if word.startswith("<") else f"<{word}@people.example>"
        return (self.marks if kind == "ack" else STRANGERS_KEY).message_id(identity.ticket_id(key), "example.com")

    def _filled(self, text: str) -> str:
        def fill(found: re.Match[str]) -> str:
            number = self.numbers[found[2]]
            if found[1] == "plus":
                return self.marks.plus_address("support@example.com", number)
            if found[1] == "forged" and "@" in text:
                return STRANGERS_KEY.plus_address("support@example.com", number)
            return {"tag": self.marks.tag(number), "forged": STRANGERS_KEY.tag(number), "number": number}[found[1]]

        return _WORD.sub(fill, text)

    async def _end(self, key: str, outcome: Result) -> str:
        if isinstance(outcome, AutomatorError):
            return "waits" if outcome.code in ("parent_in_flight", "ticket_not_written") else outcome.code
        entry = await self.store.ledger.get(key)
        assert entry is not None and entry.decision is not None
        return await self._told(key, entry.decision)

    async def _told(self, key: str, decision: Decision) -> str:
        if decision.kind is Kind.TICKET:
            ticket = await self.ticket(key)
            self.numbers[key] = ticket.number
            if ticket.related is None:
                return "opens"
            word = {Relation.POSSIBLE_PARENT: "perhaps", Relation.FOLLOW_UP: "follows"}[ticket.related.relation]
            return f"opens, {word} {self._opener(ticket.related.ticket_id)}"
        opener = self._opener(decision.ticket_id or "")
        if decision.kind is Kind.DUPLICATE:
            assert key in (await self.ticket(opener)).duplicates
            return f"duplicate {opener}"
        (found,) = [one for one in await self.conversation(opener) if one.article.mail_id == key]
        return f"{found.article.kind.value} {opener}"

    def _opener(self, ticket_id: str) -> str:
        return next(key for key in self.letters if identity.ticket_id(key) == ticket_id)

    async def _check_trace(self, letter: Letter) -> None:
        if letter.by:
            entry = await self.store.ledger.get(letter.key)
            assert entry is not None
            told = [step.looked_at.get("matched_by") for step in entry.trace if step.rule == "conversation"]
            assert told == [letter.by]

    async def _rename(self, old: str, new: str) -> None:
        box: Mailbox | None = await self.store.mailboxes.get(old)
        assert box is not None
        await self.store.mailboxes.delete(old)
        await self.store.mailboxes.put(builders.mailbox(new, email=box.spec.email, module=box.spec.module), {})
        await self.configuration.refresh(anyway=True)


def _passed(outcome: object, model: type[Any]) -> Any:
    assert isinstance(outcome, Outcome), outcome
    message = decode(outcome.publish[0].envelope)
    assert isinstance(message, model)
    return message


def _report(letter: Letter, about: str, subject: str) -> bytes:
    """A delivery report (RFC 3464) with the header of the mail that it is about."""
    return (
        f"Return-Path: <>\r\nFrom: {letter.sender}\r\nTo: support@example.com\r\nSubject: {subject}\r\n"
        f"Message-ID: <{letter.key}@mx.people.example>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.people.example\r\n\r\n"
        "Final-Recipient: rfc822; ann@people.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {about}\r\nSubject: We received your mail\r\n"
        "\r\n--b--\r\n"
    ).encode()
