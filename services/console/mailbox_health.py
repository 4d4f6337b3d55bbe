"""How mailboxes are, for a list of thousands: one word, since when, and what arrived today. Pure, but for `read`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.mailbox import Mailbox, Module
from shared.domain.mailbox_runtime import MailboxStatus, Phase
from shared.domain.sign_in import SignIn
from shared.domain.statistics import Books, BooksRow
from shared.store.client import Store
from shared.store.ledger_documents import OUTCOMES

DELAYED_AFTER = timedelta(minutes=15)
"""How long after its last complete pass a mailbox counts as delayed: a safety poll comes much more often."""

AUTHENTICATION = frozenset({"authentication_rejected", "sign_in_needed", "oauth_refused", "oauth_authority_refused"})


class Pill(StrEnum):
    """One word for how a mailbox is."""

    HEALTHY = "healthy"
    DELAYED = "delayed"
    AUTH_FAILED = "auth_failed"
    PAUSED = "paused"
    NEVER_CONNECTED = "never_connected"
    NEEDS_ATTENTION = "needs_attention"


@dataclass(frozen=True, slots=True)
class Today:
    """The mails that arrived today (UTC), as far as they had been counted."""

    received: int = 0
    tickets: int = 0
    requests: int = 0
    replies: int = 0
    duplicates: int = 0
    rejected: int = 0
    quarantined: int = 0
    in_flight: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """A mailbox and how it is."""

    mailbox: Mailbox
    pill: Pill
    sentence: str
    since: datetime | None
    last_success_at: datetime | None
    today: Today
    sign_in: SignIn | None = None
    certificate_until: datetime | None = None

    def has(self, words: str) -> bool:
        """Whether its name, address or a label has each of these words."""
        box = self.mailbox
        text = " ".join((box.name, box.spec.email, *(f"{key}={value}" for key, value in box.labels.items()))).casefold()
        return all(word in text for word in words.casefold().split())


async def read(store: Store, now: datetime) -> tuple[Health, ...]:
    """Every mailbox by name, in four round trips however many there are."""
    return await read_beside(store, await store.statistics.books(), now)


async def read_beside(store: Store, books: Books | None, now: datetime) -> tuple[Health, ...]:
    """The same, where the books have been read already."""
    boxes, statuses = await store.mailboxes.known(), await store.runtime.statuses()
    sign_ins, rows = await store.sign_ins.states(boxes), _of_today(books, now)
    return tuple(health(one, statuses.get(one.name), sign_ins.get(one.name), rows.get(one.name), now) for one in boxes)


async def read_one(store: Store, name: str, now: datetime) -> Health | None:
    """One mailbox; None if there is none of that name."""
    mailbox = await store.mailboxes.get(name)
    if mailbox is None:
        return None
    status, sign_ins = await store.runtime.status(name), await store.sign_ins.states([mailbox])
    row = _of_today(await store.statistics.books(), now).get(name)
    return health(mailbox, status, sign_ins.get(name), row, now)


async def counts(store: Store) -> dict[str, dict[str, int]]:
    """What became of the mails of each mailbox, by outcome, as the bookkeeper counted them last (every 15 s). They are
    counted here only where it never did."""
    books = await store.statistics.books()
    if books is None:
        return await store.ledger.count_by_outcome()
    return {row.mailbox: {name: n for name, n in row.total.items() if n and name in OUTCOMES} for row in books.rows}


def health(
    mailbox: Mailbox, status: MailboxStatus | None, sign_in: SignIn | None, row: BooksRow | None, now: datetime
) -> Health:
    """How one mailbox is."""
    word, sentence = pill(mailbox, status, sign_in, now)
    since, success = (status.since, status.last_success_at) if status else (None, None)
    counted, until = today(mailbox, row.today if row else {}), status.certificate_until if status else None
    return Health(mailbox, word, sentence, since, success, counted, sign_in, until)


def pill(mailbox: Mailbox, status: MailboxStatus | None, sign_in: SignIn | None, now: datetime) -> tuple[Pill, str]:
    """The word, and a sentence. What an operator decided goes first, then what a person must do."""
    told = status.sentence if status else ""
    if not mailbox.active:
        return Pill.PAUSED, "It is paused." if mailbox.spec.enabled else "Its configuration says enabled: false."
    if sign_in is not None and sign_in.lack is not None:
        return Pill.AUTH_FAILED, f"{sign_in.lack.sentence} -> {sign_in.lack.remedy}"
    if status is not None and status.code in AUTHENTICATION:
        return Pill.AUTH_FAILED, told
    if status is not None and status.state is Phase.NEEDS_ATTENTION:
        return Pill.NEEDS_ATTENTION, told
    if status is None or status.last_success_at is None:
        return Pill.NEVER_CONNECTED, told or "No fetcher has read it yet."
    if now - status.last_success_at > DELAYED_AFTER or status.state in (Phase.BACKOFF, Phase.STOPPED):
        return Pill.DELAYED, told or "Its last complete pass was long ago."
    return Pill.HEALTHY, told


def _of_today(books: Books | None, now: datetime) -> dict[str, BooksRow]:
    return {one.mailbox: one for one in books.rows} if books is not None and books.at.date() == now.date() else {}


def today(mailbox: Mailbox, counts: Mapping[str, int]) -> Today:
    """What arrived today; what it opened is of the module that the mailbox has now."""
    opened, request = counts.get("ticket", 0), mailbox.spec.module is Module.REQUEST
    return Today(
        received=sum(counts.values()),
        tickets=0 if request else opened,
        requests=opened if request else 0,
        replies=counts.get("reply", 0),
        duplicates=counts.get("duplicate", 0),
        rejected=counts.get("rejected", 0),
        quarantined=counts.get("quarantined", 0),
        in_flight=counts.get("in_flight", 0),
    )
