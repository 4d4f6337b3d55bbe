"""Mails that the server lists and does not give: booked as rejected, with whatever headers came. None is silent.

The identity of such a mail is its headers and date, or, if not even they came, its place. Should the server give it
later, it becomes a mail of its own (its identity is its bytes), and the rejection's trace names it.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from services.fetcher.place import Place
from services.fetcher.ports import Preview
from shared.contracts.events import mail_rejected
from shared.domain import identity
from shared.domain.decision import Decision, Kind, Reason, Revisions, Step, Verdict
from shared.domain.ledger import LedgerEntry, MailOrigin, State
from shared.domain.ticket import OutboxEvent
from shared.mail.headline import headline

STAGE = "fetcher"
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Unfetchable:
    """A mail that was not given in `tries` tries. `preview` is what came of it, None if nothing did."""

    uid: int
    tries: int
    preview: Preview | None = None

    @property
    def head(self) -> bytes:
        """Its header block, as far as it came."""
        return self.preview.head if self.preview else b""

    def content_id(self, place: Place) -> str:
        """What stands for its content."""
        known = self.head or f"{place.folder}/{place.uid_validity}/{self.uid}".encode()
        arrived = self.preview.internal_date if self.preview else _NO_DATE
        return identity.content_id(place.mailbox, arrived, b"unfetchable\x00" + known)


def booking(
    one: Unfetchable, place: Place, copy_number: int, revision: int, now: datetime, source: str
) -> tuple[LedgerEntry, OutboxEvent]:
    """The ledger entry with its decision, and the event it owes."""
    content = one.content_id(place)
    mail = identity.mail_id(content, copy_number)
    preview, told = one.preview, headline(one.head)
    arrived = preview.internal_date if preview else now
    decision = Decision(
        kind=Kind.REJECTED,
        reason=Reason.UNFETCHABLE,
        sentence=_sentence(one),
        revisions=Revisions(mailbox=revision),
        decided_at=now,
    )
    origin = MailOrigin(
        mailbox=place.mailbox,
        folder=place.folder,
        uid_validity=place.uid_validity,
        uid=one.uid,
        internal_date=arrived,
        size=preview.size if preview else 0,
        content_id=content,
        copy_number=copy_number,
        raw_sha256=hashlib.sha256(one.head).hexdigest(),
    )
    entry = LedgerEntry(
        mail_id=mail,
        origin=origin,
        headline=told,
        state=State.DECIDED,
        decision=decision,
        trace=(_step(Verdict.REJECTED, Reason.UNFETCHABLE.value, decision.sentence),),
        stored_at=now,
        progress_at=now,
    )
    return entry, mail_rejected(mail, place.mailbox, told.message_id, arrived, decision, source)


def given_later(mail_id: str) -> Step:
    """The line in a rejection's trace that names the mail which the server gave in the end."""
    return _step(Verdict.PASSED, "given_later", f"The server gave it later: it is mail {mail_id} now.")


def _sentence(one: Unfetchable) -> str:
    came = "Only its headers came" if one.head else "Nothing of it came"
    return (
        f"The mail server did not give this mail in {one.tries} tries. {came}; it lies on the server as UID {one.uid}, "
        "and is asked for again every hour."
    )


def _step(verdict: Verdict, rule: str, sentence: str) -> Step:
    return Step(stage=STAGE, rule=rule, verdict=verdict, sentence=sentence)
