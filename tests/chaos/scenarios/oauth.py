"""S26: a mailbox whose access tokens expire, at an identity provider that fails, is slow, and rotates."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.domain.mailbox import Domains, Mailbox
from shared.domain.mailbox_runtime import Phase
from tests.chaos.scenarios.scenario import FOLLOWED_SECONDS, Scenario
from tests.chaos.traffic import BLOCKED
from tests.chaos.world import World
from tests.support.processes import descendants
from tests.support.sign_ins import delegated_mailbox, signed_in

NAME, PERSON = "delta", "dora@people.example"
LIFETIME, SHORT_LIFETIME = 3600, 301
"""Seconds; we renew a token five minutes before its end."""
Strike = Callable[[World], Awaitable[None]]


async def bad_provider(world: World, seconds: float) -> None:
    """Every fault, each with mail that can only be read with a new token; a person signs in again where that is due.

    The kills stand between the others because they make fetchers forget how often they failed, and how long to wait.
    """
    world.dovecot.users.setdefault(NAME, "")
    world.silent.add(NAME)
    mailbox = await world.store.mailboxes.put(_mailbox(world), {})
    world.provider.person, world.provider.opens[PERSON] = PERSON, NAME
    await signed_in(world.store, world.provider, mailbox)
    await asyncio.sleep(FOLLOWED_SECONDS)  # until then the filter does not know that its address is one of ours
    with _traffic_to_it(world):
        for strike in (_nothing, _expired, _killed_before_it_is_stored, _failing, _killed_after, _slow):
            await strike(world)
            await _catches_up(world, mailbox)


async def _nothing(world: World) -> None:
    world.traffic.deliver(5)


async def _expired(world: World) -> None:
    """The token is over, for us and for the mail server, in the middle of IDLE."""
    world.provider.lifetime = SHORT_LIFETIME
    await _needs_a_token(world, "its access token expired")
    await asyncio.sleep(1.5)
    await _needs_a_token(world, "its access token expired")
    world.provider.lifetime = LIFETIME


async def _failing(world: World) -> None:
    world.provider.busy = 500
    await _needs_a_token(world, "the identity provider answers 500")
    await asyncio.sleep(2)
    world.provider.busy = 0


async def _slow(world: World) -> None:
    """Slower than we wait: it renews the token, and we never hear of it."""
    world.provider.delay = 4
    await _needs_a_token(world, "the identity provider is slower than we wait")
    await asyncio.sleep(5)
    world.provider.delay = 0


async def _killed_before_it_is_stored(world: World) -> None:
    """kill -9 between the issue of the new refresh token and its storing: only a person can mend that (F36)."""
    struck = asyncio.Event()
    loop = asyncio.get_running_loop()

    def strike() -> None:
        world.provider.rotated = lambda: None
        for pid in world.system.processes["fetcher"]:
            os.kill(pid, signal.SIGKILL)
        loop.call_soon_threadsafe(struck.set)

    world.provider.rotated = strike
    await _needs_a_token(world, "kill -9 of the fetchers before the new refresh token is stored")
    await asyncio.wait_for(struck.wait(), 60)
    await _until(lambda: _sign_in_needed(world), 60, "the lost refresh token is not told of")


async def _killed_after(world: World) -> None:
    """kill -9 right after it was stored: the next fetcher goes on with it, and nobody has to sign in."""
    before = await world.store.sign_ins.state(_mailbox(world))
    await _needs_a_token(world, "kill -9 of the fetchers after the new refresh token is stored")

    async def stored() -> bool:
        now = await world.store.sign_ins.state(_mailbox(world))
        return now.rev > before.rev

    await _until(stored, 60, "no new refresh token was stored")
    world.kill("fetcher")
    world.kill("fetcher")
    world.provider.revoke()
    await asyncio.sleep(3)
    assert not await _sign_in_needed(world), "a refresh token that was stored is lost"


async def _needs_a_token(world: World, why: str) -> None:
    """No token is good any more, every session ends, mail comes in. Returns when a token has been asked for."""
    asked = len(world.provider.requests)
    world.provider.revoke()
    for pid in descendants(world.dovecot.pid):
        if Path(f"/proc/{pid}/comm").read_text().strip() == "imap":
            os.kill(pid, signal.SIGKILL)
    world.fault(why)
    world.traffic.deliver(8)

    async def asks() -> bool:
        return len(world.provider.requests) > asked

    await _until(asks, 60, f"nobody asked for a token: {why}")


async def _catches_up(world: World, mailbox: Mailbox) -> None:
    """All mail of the mailbox is ours; a person signs in again if the mailbox asks for it."""
    attempts, _ = world.oracle.read()
    due = sum(one.mailbox == NAME for one in attempts.values())

    async def there() -> bool:
        if await _sign_in_needed(world):
            await signed_in(world.store, world.provider, mailbox)
            world.fault("a person had to sign in again")
        return len(await world.store.ledger.recent(NAME, 10_000)) >= due

    await _until(there, 60, f"not all of {due} mails were fetched")


async def _sign_in_needed(world: World) -> bool:
    said = (await world.store.runtime.statuses()).get(NAME)
    kept = await world.store.sign_ins.state(_mailbox(world))
    return said is not None and said.state is Phase.NEEDS_ATTENTION and kept.needed


async def _until(there: Callable[[], Awaitable[bool]], seconds: float, otherwise: str) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while not await there():
        assert asyncio.get_running_loop().time() < end, otherwise
        await asyncio.sleep(0.3)


@contextmanager
def _traffic_to_it(world: World) -> Iterator[None]:
    """Mail goes to it and to one other."""
    before = world.traffic.mailboxes
    world.traffic.mailboxes = (NAME, before[0])
    try:
        yield
    finally:
        world.traffic.mailboxes = before


def _mailbox(world: World) -> Mailbox:
    """With the rules that the world's other mailboxes have."""
    made = delegated_mailbox(world.provider, world.dovecot, NAME, f"{NAME}@example.com")
    domains = Domains.model_validate({"allow_duplicates": False, "blocked_senders": [f"*@{BLOCKED}"]})
    return made.model_copy(update={"spec": made.spec.model_copy(update={"domains": domains})})


SCENARIOS = (Scenario("S26", "access tokens expire, the identity provider fails", bad_provider, short=False),)
