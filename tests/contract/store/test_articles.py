"""An article exists once, with its event, whoever inserts it how often."""

import asyncio
from datetime import timedelta
from typing import Any

from shared.contracts.events import ticket_replied
from shared.domain.ticket import Appended, ArticleKind
from shared.store.client import Store
from tests.contract.store.test_tickets import ticket
from tests.support.builders import AT, article


def appended(mail_id: str, *, ticket_id: str = "t1", seconds: int = 0, owing: bool = False, **changes: Any) -> Appended:
    at = AT + timedelta(seconds=seconds)
    of = article(mail_id, **{"kind": ArticleKind.REPLY, "received_at": at, **changes})
    outbox = (ticket_replied(ticket(1), of, at, reopened=False),) if owing else ()
    return Appended(ticket_id=ticket_id, article=of, at=at, outbox=outbox)


async def test_an_article_comes_back_as_it_was_inserted(store: Store) -> None:
    given = appended("m2", owing=True)
    await store.articles.insert_many([given])
    assert await store.articles.get("m2") == given
    assert await store.articles.get("m3") is None


async def test_inserting_an_article_again_is_success_and_changes_nothing(store: Store) -> None:
    await store.articles.insert_many([appended("m2", owing=True)])
    await store.articles.mark_published(["m2"])
    again = [appended("m2", owing=True), appended("m3")]
    await asyncio.gather(*(store.articles.insert_many(again) for _ in range(4)))
    found = await store.articles.of_ticket("t1")
    assert [one.article.mail_id for one in found] == ["m2", "m3"]
    assert found[0].outbox == ()


async def test_a_conversation_is_told_in_the_order_of_arrival(store: Store) -> None:
    given = [appended(f"m{n}", seconds=n) for n in (3, 1, 2)]
    await store.articles.insert_many([*given, appended("other", ticket_id="t2")])
    assert [one.article.mail_id for one in await store.articles.of_ticket("t1")] == ["m1", "m2", "m3"]
    assert await store.articles.count_of(["t1", "t2", "t3"]) == {"t1": 3, "t2": 1}
    assert await store.articles.count_of(["t2"]) == {"t2": 1}
    assert await store.articles.count_of([]) == {}


async def test_articles_are_streamed_from_an_instant_on(store: Store) -> None:
    await store.articles.insert_many([appended(f"m{n}", seconds=n) for n in range(5)])
    found = {one.article.mail_id async for one in store.articles.since(AT + timedelta(seconds=3))}
    assert found == {"m3", "m4"}
    assert {one async for one in store.articles.iter_places()} == {(f"m{n}", "t1") for n in range(5)}


async def test_events_are_owed_until_they_are_published(store: Store) -> None:
    given = [appended("m1", owing=True), appended("m2"), appended("m3", seconds=60, owing=True)]
    await store.articles.insert_many(given)
    assert await store.articles.pending_outbox(AT, 10) == (("m1", given[0].outbox[0]),)
    later = AT + timedelta(hours=1)
    assert len(await store.articles.pending_outbox(later, 10)) == 2
    assert len(await store.articles.pending_outbox(later, 1)) == 1
    await store.articles.mark_published(["m1"])
    assert [key for key, _ in await store.articles.pending_outbox(later, 10)] == ["m3"]
