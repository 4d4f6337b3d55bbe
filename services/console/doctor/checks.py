"""The checks, in the order in which they are made. Each says what it found in a sentence, and what to do about it.

A part that is down fails its own check; those that need it say that they could not be made, and the others go on.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.broker.settings import BrokerSettings
from shared.domain.errors import AutomatorError, ConfigurationError
from shared.domain.mailbox_runtime import Phase
from shared.store.client import Store
from shared.store.gate import prove
from shared.store.indexes import verify_indexes
from shared.store.ledger_documents import QUARANTINED
from shared.store.rotation import Fate

Open = Callable[[], Awaitable[Store]]


class State(StrEnum):
    """What a check found. Only a finding makes `doctor` fail."""

    OK = "ok"
    NOTE = "note"
    FINDING = "finding"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `remedy` is what to do about it, empty where there is nothing."""

    name: str
    state: State
    sentence: str
    remedy: str = ""


async def of_store(store: Store, anew: Open) -> tuple[Check, ...]:
    """What the store says of itself and of the system."""
    looks: Mapping[str, Callable[[], Awaitable[Check]]] = {
        "store_indexes": lambda: _indexes(store),
        "store_guarantees": lambda: _guarantees(anew),
        "secrets": lambda: _secrets(store),
        "books": lambda: _books(store),
        "quarantine": lambda: _quarantine(store),
        "outbox": lambda: _outbox(store),
        "acknowledgements": lambda: _acknowledgements(store),
        "mailboxes": lambda: _mailboxes(store),
    }
    return tuple([await _made(name, look) for name, look in looks.items()])


async def of_broker(settings: BrokerSettings) -> tuple[Check, ...]:
    """Whether the broker answers, and its topology is complete."""
    from shared.broker.declaring import State as Part  # only here: its driver takes long to import
    from shared.broker.declaring import look

    try:
        found = await look(settings)
    except AutomatorError as error:
        return failed("broker", error), skipped("topology", "the broker does not answer")
    wrong = [f"{one.title} is {one.state.value}" for one in found if one.state in (Part.MISSING, Part.DIFFERENT)]
    answers = Check("broker", State.OK, "The broker answers.")
    if wrong:
        return answers, Check("topology", State.FINDING, "; ".join(wrong) + ".", "mail-automator topology check")
    return answers, Check("topology", State.OK, f"All {len(found)} exchanges and queues are there.")


def failed(name: str, error: AutomatorError) -> Check:
    """A part that refuses, or is away."""
    return Check(name, State.FINDING, f"{error.what}.", error.remedy)


def skipped(name: str, why: str) -> Check:
    """A check that could not be made."""
    return Check(name, State.UNKNOWN, f"Not looked at: {why}.")


async def _made(name: str, look: Callable[[], Awaitable[Check]]) -> Check:
    try:
        return await look()
    except AutomatorError as error:
        return failed(name, error)


async def _indexes(store: Store) -> Check:
    await verify_indexes(store)
    return Check("store_indexes", State.OK, "All indexes are there, and unique ones are kept.")


async def _guarantees(anew: Open) -> Check:
    broken = [f"{one.guarantee.name}: {one.wrong}" for one in await prove(anew) if not one.holds]
    if broken:
        return Check("store_guarantees", State.FINDING, "; ".join(broken) + ".", "use MongoDB 6 or newer")
    return Check("store_guarantees", State.OK, "The server keeps everything that is relied on.")


async def _secrets(store: Store) -> Check:
    try:
        found = await store.rotation.look()
    except ConfigurationError as error:
        return Check("secrets", State.NOTE, f"{error.what}.", "docs/secrets.md says how to mount a key")
    lost = sum(one.fate is Fate.LEFT for one in found)
    if lost:
        return Check(
            "secrets", State.FINDING, f"{lost} stored secrets cannot be read.", "mail-automator secrets status"
        )
    return Check("secrets", State.OK, f"All {len(found)} stored secrets can be read.")


async def _books(store: Store) -> Check:
    books = await store.statistics.books()
    if books is None:
        return Check("books", State.UNKNOWN, "No bookkeeper has counted yet.", "start one")
    lost = sum(row.total.get("unaccounted", 0) for row in books.rows)
    if lost:
        return Check(
            "books", State.FINDING, f"{lost} mails are unaccounted for.", "mail-automator audit names each one"
        )
    age = (await store.server_time() - books.at).total_seconds()
    if age > _OLD_SECONDS:
        return Check("books", State.FINDING, f"The books were last counted {age:.0f} s ago.", "start a bookkeeper")
    return Check("books", State.OK, "No mail is unaccounted for.")


async def _quarantine(store: Store) -> Check:
    mails = sum(row.get(QUARANTINED, 0) for row in (await store.ledger.count_by_outcome()).values())
    if mails:
        remedy = "mail-automator quarantine list --by-cause"
        return Check("quarantine", State.NOTE, f"{mails} mails wait for a person in quarantine.", remedy)
    return Check("quarantine", State.OK, "Nothing is in quarantine.")


async def _outbox(store: Store) -> Check:
    count = await owed(store)
    if count:
        return Check("outbox", State.NOTE, f"{count} events are owed.", "the bookkeeper sends them; look again")
    return Check("outbox", State.OK, "No event is owed.")


async def owed(store: Store) -> int:
    """How many events are owed, up to a thousand of each kind."""
    now = await store.server_time()
    owing = (store.tickets, store.articles, store.ledger)
    return sum([len(await one.pending_outbox(now, 1000)) for one in owing])


async def _acknowledgements(store: Store) -> Check:
    unknown = (await store.outbound.count_by_state()).get("unknown", 0)
    if unknown:
        remedy = "mail-automator acknowledgements list --state unknown"
        return Check("acknowledgements", State.NOTE, f"Of {unknown} nobody knows whether they arrived.", remedy)
    return Check("acknowledgements", State.OK, "Of every acknowledgement it is known what became of it.")


async def _mailboxes(store: Store) -> Check:
    statuses = await store.runtime.statuses()
    active = [one.name for one in await store.mailboxes.all() if one.active]
    bad = [
        f"{name} ({status.code})"
        for name in active
        if (status := statuses.get(name)) is not None and status.state in (Phase.BACKOFF, Phase.NEEDS_ATTENTION)
    ]
    unread = [name for name in active if name not in statuses]
    if bad or unread:
        told = [*(f"{one} is not read" for one in bad), *(f"{one} was never read" for one in unread)]
        return Check("mailboxes", State.FINDING, "; ".join(told) + ".", "mail-automator mailbox show NAME")
    return Check("mailboxes", State.OK, f"All {len(active)} active mailboxes are read.")


_OLD_SECONDS = 600
