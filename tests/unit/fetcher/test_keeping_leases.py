"""A lease is kept through hiccups of the store, and given up before anybody else can have it. In virtual time."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import cast

import pytest

from services.fetcher.errors import LeaseLost
from services.fetcher.free import Free
from services.fetcher.leases import LeaseKeeper
from services.fetcher.ports import Runtime
from services.fetcher.renewals import Renewals
from shared.domain.errors import StoreUnavailable
from shared.domain.mailbox_runtime import Asked, Lease
from tests.simulation.virtual_time import BEGAN, VirtualClock, elapsed, run

TTL = timedelta(seconds=30)
HICCUP_SECONDS = 9.9


class Answers:
    """The part of the port `Runtime` that is asked here. `refuses` tells at which seconds nothing is renewed; a refusal
    takes `hiccup` seconds."""

    def __init__(self, refuses: Callable[[float], bool] = lambda _: False, hiccup: float = 0) -> None:
        self._refuses = refuses
        self._hiccup = hiccup
        self.renewed_at: list[float] = []

    async def renew_many(self, leases: Mapping[str, Lease], ttl: timedelta) -> dict[str, Lease]:
        if self._refuses(elapsed()):
            await asyncio.sleep(self._hiccup)
            raise StoreUnavailable("away")
        self.renewed_at.append(elapsed())
        return {name: one.model_copy(update={"expires_at": BEGAN + ttl}) for name, one in leases.items()}

    async def leases(self) -> dict[str, Lease]:
        return {}

    async def acquire_many(self, mailboxes: list[str], holder: str, ttl: timedelta, most: int) -> Asked:
        await asyncio.sleep(self._hiccup)
        return Asked({name: Lease(holder=holder, token=1, expires_at=BEGAN) for name in mailboxes}, {})


async def keep(answers: Answers, seconds: float, asked_at: float = 0.0) -> float:
    """When it was given up."""
    runtime, clock = cast(Runtime, answers), VirtualClock()
    lease = Lease(holder="here", token=1, expires_at=BEGAN + TTL)
    keeper = LeaseKeeper(runtime, Renewals(runtime, TTL), clock, "support", lease, TTL, asked_at)
    with pytest.raises((LeaseLost, TimeoutError)):
        async with asyncio.timeout(seconds):
            await keeper.keep()
    return elapsed()


def test_it_is_renewed_at_a_third_of_its_time() -> None:
    answers = Answers()
    assert run(keep(answers, 35)) == 35
    assert answers.renewed_at == pytest.approx([10.25, 20.25, 30.25])


def test_a_hiccup_at_one_renewal_costs_no_lease() -> None:
    answers = Answers(refuses=lambda at: at < 12)
    assert run(keep(answers, 25)) == 25
    assert answers.renewed_at[0] == pytest.approx(12.5)


def test_a_refusal_that_comes_late_does_not_put_off_the_end() -> None:
    """Two thirds of its time after it was asked for it is given up, whenever the store was asked last."""
    given_up = run(keep(Answers(lambda _: True, HICCUP_SECONDS - 0.5), 100))
    assert given_up == pytest.approx(20, abs=0.2)


def test_its_time_counts_from_when_it_was_asked_for() -> None:
    assert run(keep(Answers(lambda _: True, 0.1), 100, asked_at=-15.0)) == pytest.approx(5, abs=0.2)


@pytest.mark.parametrize(("seconds", "begun"), [(9.0, True), (11.0, False)])
def test_what_was_granted_too_slowly_is_asked_for_again(seconds: float, begun: bool) -> None:
    async def taken() -> bool:
        free = Free("here", cast(Runtime, Answers(hiccup=seconds)), VirtualClock(), TTL)
        return bool(await free.take(["support"], [], ["here"], 1))

    assert run(taken()) is begun
