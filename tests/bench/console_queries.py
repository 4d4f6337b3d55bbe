"""How long the console's questions and pages take on an embedded store with 100,000 mails and 1,000 mailboxes.

    python -m tests.bench.console_queries [--mails N] [--mailboxes N]

Fills the store by its own methods, then asks each question five times. Prints the median and the slowest.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from services.all_in_one.embedded_store import EmbeddedStore
from services.bookkeeper.statistics import Counts
from services.bookkeeper.totals import Totals
from services.console import absence, latest_events, mailbox_health, overview
from shared.domain.decision import Kind, Reason
from shared.domain.email import Headline
from shared.domain.identity import ticket_id
from shared.domain.ledger import Failure, LedgerEntry, State
from shared.domain.mailbox_runtime import MailboxStatus, Phase
from shared.domain.ticket import AcknowledgementState
from shared.store.client import Store
from shared.store.indexes import ensure_indexes
from shared.store.keys import create_key_file
from shared.store.mail_search import Wanted
from shared.store.settings import StoreSettings
from shared.store.ticket_search import WantedTicket
from tests.bench import console_pages
from tests.bench.books import ticket_of
from tests.support.builders import decision, entry, mailbox
from tests.support.embedded_store import FakeClock

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TARGET_MS = 100
ASKED = 5
WORDS = ("printer", "payroll", "laptop", "screen", "access", "invoice", "network", "phone", "badge", "order")
Question = Callable[[], Awaitable[object]]


async def main(mails: int, mailboxes: int) -> None:
    """Fill, ask, print."""
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedStore(Path(folder) / "store") as server:
            create_key_file(Path(folder) / "key")
            settings = StoreSettings(url=SecretStr(server.url), database="bench", key_file=Path(folder) / "key")
            store = await Store.open(settings, clock=FakeClock(NOW))
            await ensure_indexes(store)
            started = time.perf_counter()
            await fill(store, mails, mailboxes)
            print(f"{mails} mails, {mailboxes} mailboxes, filled in {time.perf_counter() - started:.0f} s", flush=True)
            for name, question in questions(store, mails):
                await _ask(name, question)
            print(f"pages, the target is {console_pages.TARGET_MS} ms", flush=True)
            async for path, median, slowest, size in console_pages.measured(store, FakeClock(NOW), mails):
                _say(path, median, slowest, console_pages.TARGET_MS, f"{size / 1024:6.0f} KiB")
            await store.close()


async def fill(store: Store, mails: int, mailboxes: int) -> None:
    """Mailboxes with their states, mails of two weeks with their tickets, and the bookkeeper's counts."""
    for number in range(mailboxes):
        await store.mailboxes.put(mailbox(f"box-{number}"), {}, create=True)
        status = MailboxStatus(state=Phase.IDLE, since=NOW, last_success_at=NOW)
        await store.runtime.set_status(f"box-{number}", status)
    chance = random.Random(1)
    for start in range(0, mails, 1000):
        entries = [_mail(number, mails, mailboxes, chance) for number in range(start, min(mails, start + 1000))]
        await store.ledger.insert_many(entries)
        await store.tickets.insert_many([ticket_of(one) for one in entries if _opened(one)])
    clock = FakeClock(NOW)
    counts = Counts(store.ledger, store.statistics, clock)
    await counts.books(await Totals(store.ledger, clock).look(), {})
    for _ in range(14):
        await counts.hours()


def _opened(one: LedgerEntry) -> bool:
    return one.decision is not None and one.decision.kind is Kind.TICKET


def _mail(number: int, mails: int, mailboxes: int, chance: random.Random) -> LedgerEntry:
    at = NOW - timedelta(days=14) * (mails - number) / mails
    side = "left" if number % 2 else "right"
    subject = f"{' '.join(chance.sample(WORDS, 3))} {side} number {number}"
    sender = f"person{number % 997}@example{number % 13}.org"
    end, name = chance.random(), f"m{number}"
    fields = {"state": State.DONE, "decision": decision(decided_at=at)}
    if end < 0.6:
        opened = {"kind": Kind.TICKET, "reason": Reason.TICKET_CREATED, "number": f"INC-{number:06d}"}
        fields["decision"] = decision(**opened, ticket_id=ticket_id(name), decided_at=at + timedelta(seconds=end * 20))
    elif end > 0.995:
        failure = Failure(stage="filter", code=f"code_{number % 7}", what="it failed", at=at)
        fields = {"state": State.QUARANTINED, "failure": failure}
    headline = Headline(message_id=f"<{number}@example.org>", sender=sender, subject=subject)
    times = {"stored_at": at, "progress_at": at}
    found = entry(name, mailbox_name=f"box-{number % mailboxes}", uid=number + 1, headline=headline, **fields, **times)
    return found.model_copy(update={"origin": found.origin.model_copy(update={"internal_date": at})})


def questions(store: Store, mails: int) -> tuple[tuple[str, Question], ...]:
    """Every question, with its name."""
    middle, day = (NOW - timedelta(days=7), f"m{mails // 2}"), NOW - timedelta(days=1)
    mail = {
        "newest": Wanted(),
        "sender": Wanted(sender="person5@example5.org"),
        "domain": Wanted(domain="example5.org"),
        "Message-ID": Wanted(message_id=f"<{mails // 3}@example.org>"),
        "ticket number": Wanted(number=f"INC-{mails // 3:06d}"),
        "one word, common": Wanted(subject="printer"),
        "beginning of a word": Wanted(subject="prin"),
        "two words": Wanted(subject="printer payroll"),
        "a rare word": Wanted(subject=f"number {mails // 2}"),
        "two words, never together": Wanted(subject="left right"),
        "a word in a mailbox": Wanted(subject="printer", mailbox="box-7"),
        "no such word": Wanted(subject="printer zebra"),
        "no such number": Wanted(number="INC-999999"),
        "mailbox": Wanted(mailbox="box-7"),
        "mailbox, rejected": Wanted(mailbox="box-7", outcome="rejected"),
        "rejected": Wanted(outcome="rejected"),
        "quarantined": Wanted(outcome="quarantined"),
        "reason": Wanted(reason="blocked_sender"),
        "reason of a mailbox": Wanted(reason="blocked_sender", mailbox="box-7"),
        "rejected in a day": Wanted(outcome="rejected", since=NOW - timedelta(days=8), until=NOW - timedelta(days=7)),
        "last day": Wanted(since=day),
    }
    ticket = {
        "newest": WantedTicket(),
        "subject": WantedTicket(subject="printer payroll"),
        "subject, a rare word": WantedTicket(subject=f"number {mails // 2}"),
        "requester": WantedTicket(requester="person5@example5.org"),
        "service": WantedTicket(service="service-7"),
        "department in a day": WantedTicket(department="d-3", since=day),
        "acknowledgement": WantedTicket(acknowledgement=AcknowledgementState.SENT),
    }
    return (
        *((f"mails: {name}", lambda one=one: store.mail_search.find(one, 50)) for name, one in mail.items()),
        ("mails: a page in the middle", lambda: store.mail_search.find(Wanted(), 50, middle)),
        *((f"tickets: {name}", lambda one=one: store.ticket_search.find(one, 50)) for name, one in ticket.items()),
        ("quarantine by cause", store.ledger.causes),
        ("mailbox health, all", lambda: mailbox_health.read(store, NOW)),
        ("overview", lambda: overview.read(store, NOW, None)),
        ("mailboxes, what became of mail", lambda: mailbox_health.counts(store)),
        ("why a mail is not found", lambda: absence.read(store, "box-7", NOW)),
        ("why, in any mailbox", lambda: absence.read(store, None, NOW)),
        ("last events", lambda: latest_events.latest(store, "/bench", 50)),
    )


async def _ask(name: str, question: Question) -> None:
    took: list[float] = []
    for _ in range(ASKED):
        started = time.perf_counter()
        await question()
        took.append((time.perf_counter() - started) * 1000)
    _say(name, statistics.median(took), max(took), TARGET_MS)


def _say(name: str, median: float, slowest: float, target: float, more: str = "") -> None:
    end = "" if median <= target else "   over the target"
    print(f"{name:44} {median:8.1f} ms {slowest:8.1f} ms{more}{end}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=100_000)
    parser.add_argument("--mailboxes", type=int, default=1_000)
    given = parser.parse_args()
    asyncio.run(main(given.mails, given.mailboxes))
