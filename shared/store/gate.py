"""What the store must guarantee, each proven on the server itself, over several connections. Writes only scratch
documents, in a collection of their own, and removes them.

A server that fails one of these loses or doubles mail sooner or later: the repositories rely on every one of them.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from bson import Binary

from shared.domain.errors import AutomatorError
from shared.store.client import Store
from shared.store.collection import Collection, changed
from shared.store.indexes import PROBE

CONNECTIONS = 4
RACERS = 24
LARGE_BYTES = 15 * 1024 * 1024
AT = datetime(2026, 1, 1, tzinfo=UTC)

Open = Callable[[], Awaitable[Store]]


@dataclass(frozen=True, slots=True)
class Ground:
    """What a proof works with: the scratch collection through several clients, a word of its own for keys, and a way
    to connect anew."""

    scratch: Sequence[Collection]
    word: str
    stores: Sequence[Store]
    anew: Open

    def racing(self, count: int) -> list[tuple[int, Collection]]:
        """So many racers, dealt out to the clients."""
        return [(one, self.scratch[one % len(self.scratch)]) for one in range(count)]


Proof = Callable[[Ground], Awaitable[str]]
"""Returns what is wrong, empty if nothing is."""


@dataclass(frozen=True, slots=True)
class Guarantee:
    """One thing that is relied on: its name, what it is, what it means if it does not hold, and its proof."""

    name: str
    what: str
    otherwise: str
    proof: Proof


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found: `wrong` is empty where the guarantee holds."""

    guarantee: Guarantee
    wrong: str

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return not self.wrong


async def prove(anew: Open) -> tuple[Finding, ...]:
    """Every guarantee, one after the other. `anew` opens one more client. Raises StoreUnavailable only at the start."""
    async with _ground(anew) as ground:
        return tuple([Finding(one, await _proven(one, ground)) for one in GUARANTEES])


@asynccontextmanager
async def _ground(anew: Open) -> AsyncGenerator[Ground]:
    stores = [await anew() for _ in range(CONNECTIONS)]
    word = uuid4().hex
    try:
        yield Ground([one.collection(PROBE.collection) for one in stores], word, stores, anew)
    finally:
        await stores[0].collection(PROBE.collection).delete({"word": word})
        for one in stores:
            await one.close()


async def _proven(guarantee: Guarantee, ground: Ground) -> str:
    try:
        return await guarantee.proof(ground)
    except AutomatorError as error:
        return f"the server refused: {error.what}"


async def _unique(ground: Ground) -> str:
    taken = await asyncio.gather(
        *(
            scratch.insert({"_id": f"{ground.word}-u{one}", "word": ground.word, "probe": ground.word})
            for one, scratch in ground.racing(RACERS)
        )
    )
    return _expected(sum(taken), 1, "documents with one value of a unique key were taken")


async def _identities(ground: Ground) -> str:
    key = f"{ground.word}-id"
    taken = await asyncio.gather(
        *(scratch.insert(_scratch(ground, key, by=one)) for one, scratch in ground.racing(RACERS))
    )
    return _expected(sum(taken), 1, "documents with one _id were taken")


async def _compare_and_set(ground: Ground) -> str:
    key = f"{ground.word}-cas"
    await ground.scratch[0].insert(_scratch(ground, key, decision=None, state="stored"))
    query = {"_id": key, "state": "stored", "decision": None}
    won = await asyncio.gather(
        *(
            scratch.update(query, changed({"state": "decided", "decision": {"by": one, "at": AT}}))
            for one, scratch in ground.racing(RACERS)
        )
    )
    found = await ground.scratch[0].get(key)
    winners = [one for one, hit in enumerate(won) if hit]
    if len(winners) != 1:
        return _expected(len(winners), 1, "of them were told that they had won")
    return "" if found and found["decision"]["by"] == winners[0] else "the one that was told it had won is not there"


async def _counting(ground: Ground) -> str:
    key = f"{ground.word}-count"
    await ground.scratch[0].insert(_scratch(ground, key, n=0))
    told = await asyncio.gather(
        *(scratch.change({"_id": key}, changed({}, inc={"n": 1})) for _, scratch in ground.racing(RACERS * 2))
    )
    numbers = sorted(one["n"] for one in told if one)
    return "" if numbers == list(range(1, RACERS * 2 + 1)) else "a number was given twice, or left out"


async def _kept(ground: Ground) -> str:
    key = f"{ground.word}-kept"
    await ground.scratch[0].insert(_scratch(ground, key))
    other = await ground.anew()
    try:
        return "" if await other.collection(PROBE.collection).get(key) else "a write that was confirmed is not there"
    finally:
        await other.close()


async def _bulk(ground: Ground) -> str:
    keys = [f"{ground.word}-b{one}" for one in (0, 1, 0, 2, 1)]
    refused = await ground.scratch[0].insert_many([_scratch(ground, one) for one in keys])
    there = await ground.scratch[0].find({"_id": {"$in": keys}})
    if set(refused) != {2, 4}:
        return f"positions {sorted(refused)} of a bulk write were named as doubles, expected [2, 4]"
    return _expected(len(there), 3, "of the others were written")


async def _matched(ground: Ground) -> str:
    keys = [f"{ground.word}-m{one}" for one in range(3)]
    await ground.scratch[0].insert_many([_scratch(ground, one, state="stored") for one in keys[:2]])
    count = await ground.scratch[0].update_each(({"_id": one}, changed({"state": "done"})) for one in keys)
    return _expected(count, 2, "updates were said to have met their document")


async def _arrays(ground: Ground) -> str:
    key, scratch = f"{ground.word}-array", ground.scratch[0]
    await scratch.insert(_scratch(ground, key, pushed=["a"], pulled=["a", "b", "a"], added=["a"]))
    both = changed({}, push={"pushed": "b"}, pull={"pulled": "a"}, addToSet={"added": "b"})
    await scratch.update({"_id": key}, both)
    await scratch.update({"_id": key}, changed({}, addToSet={"added": "b"}))
    found = await scratch.get(key) or {}
    got = tuple(found.get(one) for one in ("pushed", "pulled", "added"))
    return "" if got == (["a", "b"], ["b"], ["a", "b"]) else f"$push, $pull and $addToSet gave {got}"


async def _times(ground: Ground) -> str:
    key, scratch = f"{ground.word}-time", ground.scratch[0]
    await scratch.insert(_scratch(ground, key, at=AT))
    await scratch.update({"_id": key}, changed({"clock": {"at": AT}}))
    between = {"_id": key, "at": {"$gte": AT, "$lt": AT + timedelta(seconds=1)}}
    found = await scratch.find(between)
    if not found:
        return "a search between two instants does not find what lies there"
    return "" if found[0]["clock"]["at"] == AT else "an instant does not come back as it was written"


async def _large(ground: Ground) -> str:
    key, data = f"{ground.word}-large", uuid4().bytes * (LARGE_BYTES // 16)
    if not await ground.scratch[0].insert(_scratch(ground, key, data=Binary(data))):
        return "a large document was not taken"
    found = await ground.scratch[1].get(key) or {}
    return "" if bytes(found.get("data", b"")) == data else "a large document does not come back as it was written"


async def _clock(ground: Ground) -> str:
    told = [await one.server_time() for one in ground.stores]
    return "" if told == sorted(told) else "its clock went backwards"


def _scratch(ground: Ground, key: str, **fields: object) -> dict[str, object]:
    return {"_id": key, "word": ground.word, "probe": key, **fields}


def _expected(count: int, wanted: int, what: str) -> str:
    return "" if count == wanted else f"{count} {what}, expected {wanted}"


GUARANTEES: tuple[Guarantee, ...] = (
    Guarantee("unique_index", "a unique key is given once, however many ask at once", "tickets are doubled", _unique),
    Guarantee("unique_id", "an _id is given once, however many ask at once", "mails are entered twice", _identities),
    Guarantee("compare_and_set", "of many writers one wins and knows it", "mails have two decisions", _compare_and_set),
    Guarantee("counter", "$inc by findOneAndUpdate never repeats a number", "two tickets have one number", _counting),
    Guarantee("confirmed_write", "a journaled write is there after connecting anew", "mails are lost", _kept),
    Guarantee("bulk_doubles", "an unordered bulk write names its doubles by position", "new mails are missed", _bulk),
    Guarantee("bulk_matches", "a bulk update counts what it met", "lost decisions go unnoticed", _matched),
    Guarantee("arrays", "$push, $pull and $addToSet do what they say", "duplicates are miscounted", _arrays),
    Guarantee("instants", "instants come back, and can be searched between", "due mails are not found", _times),
    Guarantee("large_document", "a document of 15 MiB comes back whole", "large mails are damaged", _large),
    Guarantee("server_clock", "the server tells a time that does not go back", "leases have two holders", _clock),
)
"""Everything that the repositories rely on, in the order in which it is proven."""
