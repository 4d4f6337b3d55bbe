"""A UID is seen once and stays what it was; only a hole can turn out to be something."""

import asyncio
from typing import Any

from shared.domain.sighting import Sight, Sighting
from shared.store.client import Store
from tests.support.builders import AT

PLACE = ("support", "INBOX", 7)


def sighting(uid: int, **changes: Any) -> Sighting:
    fields: dict[str, Any] = {
        "mailbox": "support",
        "folder": "INBOX",
        "uid_validity": 7,
        "uid": uid,
        "content_id": f"c{uid}",
        "mail_id": f"m{uid}",
        "seen_at": AT,
    }
    return Sighting(**{**fields, **changes})


async def test_what_was_seen_is_known_in_its_folder_and_epoch_only(store: Store) -> None:
    await store.sightings.insert_many([sighting(1), sighting(5), sighting(9, state=Sight.VANISHED)])
    assert await store.sightings.known(*PLACE, [1, 2, 9]) == {1, 9}
    assert await store.sightings.known("support", "INBOX", 8, [1, 5]) == frozenset()
    assert await store.sightings.known("support", "Sent", 7, [1, 5]) == frozenset()
    assert await store.sightings.known(*PLACE, []) == frozenset()
    assert await store.sightings.at(*PLACE, [5, 1, 4]) == (sighting(1), sighting(5))


async def test_folders_that_are_asked_for_at_the_same_moment_are_told_apart(store: Store) -> None:
    """Also the same UID in several of them."""
    await store.sightings.insert_many(
        [sighting(1), sighting(5), sighting(5, folder="Sent"), sighting(7, folder="Sent")]
    )
    asked = [("INBOX", [1, 5, 7]), ("Sent", [1, 5, 7]), ("Drafts", [1, 5, 7]), ("INBOX", [5])]
    known = await asyncio.gather(*(store.sightings.known("support", folder, 7, uids) for folder, uids in asked))
    assert known == [{1, 5}, {5, 7}, frozenset(), {5}]


async def test_a_sighting_told_again_changes_nothing(store: Store) -> None:
    await store.sightings.insert_many([sighting(1)])
    await store.sightings.insert_many([sighting(1, mail_id="other"), sighting(2)])
    assert await store.sightings.at(*PLACE, [1, 2]) == (sighting(1), sighting(2))


async def test_only_a_hole_can_be_settled(store: Store) -> None:
    hole = sighting(3, state=Sight.HOLE, content_id=None, mail_id=None)
    await store.sightings.insert_many([sighting(1), hole])
    assert await store.sightings.holes(*PLACE) == (hole,)
    await store.sightings.settle([sighting(1, mail_id="other"), sighting(3)])
    assert await store.sightings.holes(*PLACE) == ()
    assert await store.sightings.at(*PLACE, [1, 3]) == (sighting(1), sighting(3))


async def test_copies_are_found_by_content_in_their_folder_in_uid_order(store: Store) -> None:
    copies = [sighting(uid, content_id="same") for uid in (12, 3)]
    elsewhere = [sighting(4, content_id="same", folder="Sent"), sighting(6, content_id="same", uid_validity=8)]
    await store.sightings.insert_many([*copies, *elsewhere, sighting(5)])
    assert [one.uid for one in await store.sightings.by_content(*PLACE, ["same"])] == [3, 12]
    assert [one.uid for one in await store.sightings.by_content(*PLACE, ["same", "c5", "none"])] == [3, 5, 12]
    assert await store.sightings.by_content(*PLACE, []) == ()


async def test_the_mails_of_a_mailbox_are_known(store: Store) -> None:
    hole = sighting(30, state=Sight.HOLE, content_id=None, mail_id=None)
    others = [sighting(99, uid_validity=8), sighting(77, mailbox="hr", mail_id="hr-mail")]
    await store.sightings.insert_many([sighting(4), sighting(21), hole, *others])
    assert await store.sightings.mail_ids("support") == {"m4", "m21", "m99"}


async def test_old_mail_takes_over_what_was_noted_as_earlier_and_nothing_else(store: Store) -> None:
    bare = {"content_id": None, "mail_id": None}
    await store.sightings.insert_many([sighting(1, state=Sight.EARLIER, **bare), sighting(2), sighting(3, mail_id="x")])
    await store.sightings.take_over([sighting(uid, mail_id=f"old{uid}") for uid in (1, 3, 4)])
    found = await store.sightings.at(*PLACE, range(1, 9))
    assert [(one.uid, one.state, one.mail_id) for one in found] == [
        (1, Sight.MAIL, "old1"),
        (2, Sight.MAIL, "m2"),
        (3, Sight.MAIL, "x"),
        (4, Sight.MAIL, "old4"),
    ]
