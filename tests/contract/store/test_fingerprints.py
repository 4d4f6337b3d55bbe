"""The first mail with a fingerprint owns it, within the window, whoever races."""

import asyncio
from datetime import timedelta

from shared.store.client import Store
from shared.store.fingerprints import Claim
from tests.support.builders import AT

DAY = timedelta(hours=24)


def claim(mail_id: str, hours: float = 0, *, key: str = "k", window: timedelta | None = DAY) -> Claim:
    return Claim(key=key, mail_id=mail_id, at=AT + timedelta(hours=hours), window=window)


async def owner(store: Store, one: Claim) -> str:
    return (await store.fingerprints.claim([one]))[one.key]


async def test_the_first_claimant_wins_and_claiming_again_changes_nothing(store: Store) -> None:
    assert await owner(store, claim("a")) == "a"
    assert await owner(store, claim("b", 1)) == "a"
    assert await owner(store, claim("a")) == "a"
    assert await owner(store, claim("c", -2)) == "a"


async def test_of_many_who_claim_at_once_one_wins_and_all_are_told_who(store: Store) -> None:
    claims = [[claim(f"m{n}-{key}", key=f"k{key}") for key in range(20)] for n in range(6)]
    results = await asyncio.gather(*(store.fingerprints.claim(batch) for batch in claims))
    for key in range(20):
        assert len({result[f"k{key}"] for result in results}) == 1


async def test_a_claim_outside_the_window_takes_over_and_the_old_owner_still_stands_for_itself(store: Store) -> None:
    assert await owner(store, claim("old")) == "old"
    assert await owner(store, claim("edge", 24)) == "old"
    assert await owner(store, claim("new", 24.001)) == "new"
    assert await owner(store, claim("newer", 30)) == "new"
    assert await owner(store, claim("old")) == "old"
    assert await owner(store, claim("new", 24.001)) == "new"


async def test_an_older_mail_outside_the_window_stands_for_itself_and_takes_nothing(store: Store) -> None:
    assert await owner(store, claim("a")) == "a"
    assert await owner(store, claim("ancient", -100)) == "ancient"
    assert await owner(store, claim("b", 1)) == "a"


async def test_without_a_window_the_first_owns_it_for_ever(store: Store) -> None:
    assert await owner(store, claim("a", window=None)) == "a"
    assert await owner(store, claim("b", 10_000, window=None)) == "a"


async def test_of_many_who_take_over_at_once_one_wins(store: Store) -> None:
    await owner(store, claim("old"))
    owners = await asyncio.gather(*(owner(store, claim(f"m{n}", 50 + n / 100)) for n in range(8)))
    (winner,) = set(owners)
    assert winner.startswith("m")


async def test_claims_of_one_batch_that_share_a_key_are_answered_one_by_one(store: Store) -> None:
    batch = [claim("a"), claim("b", 1), claim("far", 48), claim("x", key="other")]
    assert await store.fingerprints.owners(batch) == ("a", "a", "far", "x")
    assert await store.fingerprints.owners([]) == ()
