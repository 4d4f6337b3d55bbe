"""A small fleet of fetchers through all the churn of `make bench-leases`, in virtual time: the simulation itself."""

import random

import pytest

from tests.simulation.book import Book, least_moves
from tests.simulation.churn import STORE_AWAY_SECONDS, STORE_FROZEN_SECONDS, Figures, at_rest, churned, events
from tests.simulation.virtual_time import run
from tests.simulation.world import World

MAILBOXES, FETCHERS = 150, 10
LEASE_SECONDS = 30.0


@pytest.fixture(scope="module")
def fleet() -> tuple[World, dict[str, Figures], tuple[float, float]]:
    """The world after it, what each event was like, and what the store is asked at rest."""

    async def lived() -> tuple[World, dict[str, Figures], tuple[float, float]]:
        random.seed(7)
        world = World(seed=7)
        found = {one.event: one async for one in churned(world, MAILBOXES, FETCHERS)}
        rest = await at_rest(world, 30)
        await world.terminate(*world.fetchers.values())
        return world, found, rest

    return run(lived())


Fleet = tuple[World, dict[str, Figures], tuple[float, float]]


def test_no_mailbox_ever_has_two_holders(fleet: Fleet) -> None:
    world, figures, _ = fleet
    assert world.book.broken == []
    assert {one.most_of_mailbox for one in figures.values()} == {1}


def test_after_every_event_each_mailbox_is_read_and_the_shares_are_equal(fleet: Fleet) -> None:
    _, figures, _ = fleet
    assert list(figures) == [name for name, _ in events(MAILBOXES, FETCHERS)]
    for one in figures.values():
        assert one.read_after is not None and one.moved_after is not None, one
        assert one.largest_share - one.smallest_share <= 1, one


def test_a_store_that_was_away_does_not_keep_mailboxes_unread_for_long_after(fleet: Fleet) -> None:
    _, figures, _ = fleet
    for name, seconds in (("store away", STORE_AWAY_SECONDS), ("store stands still", STORE_FROZEN_SECONDS)):
        (one,) = [figure for event, figure in figures.items() if event.startswith(name)]
        assert one.read_after is not None and one.read_after < seconds + 10


def test_killed_fetchers_are_replaced_within_the_time_of_a_lease(fleet: Fleet) -> None:
    _, figures, _ = fleet
    assert 10 < figures["kill -9 of a fifth at once"].longest_without_reader < LEASE_SECONDS + 5


@pytest.mark.parametrize("event", ["rolling restart", "they come back", "half of them end", "and start again"])
def test_hardly_more_mailboxes_change_hands_than_must(fleet: Fleet, event: str) -> None:
    _, figures, _ = fleet
    one = figures[event]
    assert one.least_moves <= one.moves <= 1.2 * one.least_moves


def test_at_rest_the_store_is_not_asked_for_all_mailboxes(fleet: Fleet) -> None:
    """Each fetcher renews its own leases every ten seconds, and announces itself every three."""
    _, _, (_, documents) = fleet
    assert documents < MAILBOXES / 10 * 3 + FETCHERS * FETCHERS / 3 + MAILBOXES / 3


def test_all_stopped_leaves_no_connection(fleet: Fleet) -> None:
    world, _, _ = fleet
    assert world.book.reader == {}


def granted(book: Book, holder: str, token: int) -> None:
    book.written("mailbox_runtime", None, {"_id": "box", "lease": {"holder": holder, "token": token}})


def test_the_book_sees_a_mailbox_with_two_holders() -> None:
    async def lived() -> list[str]:
        book = Book()
        book.want(["box"])
        granted(book, "one", 1)
        book.connected("box", "host", "one")
        granted(book, "two", 2)
        book.connected("box", "host", "two")
        granted(book, "two", 1)
        return [what.partition(": ")[2] for what in book.broken]

    assert run(lived()) == [
        "two is granted it, box, while one is connected",
        "two connects to it, box, while one is connected",
        "the token of box went back to 1",
    ]


def test_the_least_that_must_move_is_what_has_no_reader_and_what_is_above_an_equal_share() -> None:
    before = {"a": "one", "b": "one", "c": "one", "d": "gone"}
    assert least_moves(before, ["a", "b", "c", "d", "new"], ["one", "two", "three"]) == 2
