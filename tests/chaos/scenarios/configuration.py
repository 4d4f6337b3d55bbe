"""S29: people change mailboxes, passwords and the key of secrets while mail comes in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import yaml

from shared.domain.mailbox_runtime import Phase
from tests.chaos.oracle import Ends
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.settle import settle
from tests.chaos.traffic import BLOCKED, Kind
from tests.chaos.world import OLD_KEY, World
from tests.support.canary import secret
from tests.support.mails import mail

ROUNDS = 3
FOLLOWED_SECONDS = 6.0
"""After so long every service follows a changed configuration (they look every five seconds)."""
EDITED, SWITCHED, PAUSED = "alpha", "beta", "gamma"
MOVING = "moving.example"
"""A domain that is blocked and let in again."""
WHILE_EDITED = Kind("moving", 0, Ends.ANY, acknowledged=True)
ONCE_BLOCKED = Kind("moving, blocked", 0, Ends.REJECTED)
ONCE_FREE = Kind("moving, free again", 0, Ends.TICKET, acknowledged=True)
Edit = Callable[[dict[str, Any]], None]


async def edited(world: World, seconds: float) -> None:
    """Three rounds of everything under load; then one change alone, whose effect must be seen from then on."""
    async with _load(world):
        for count in range(ROUNDS):
            await _change(world, EDITED, lambda spec: _block(spec, f"*@{MOVING}"))
            await _keywords(world, count)
            await _password(world, secret(f"chaos {count}"))
            await _new_key(world, count)
            await _change(world, EDITED, _block)
            await _switched_off_and_on(world)
    await settle(world, 60)
    await _change(world, EDITED, lambda spec: _block(spec, f"*@{MOVING}"))
    await asyncio.sleep(FOLLOWED_SECONDS)
    _moving(world, ONCE_BLOCKED, 5)
    await settle(world, 60)
    await _change(world, EDITED, _block)
    await asyncio.sleep(FOLLOWED_SECONDS)
    _moving(world, ONCE_FREE, 5)


@asynccontextmanager
async def _load(world: World) -> AsyncIterator[None]:
    """Mail of all kinds, and some of the domain that is blocked and let in, as long as it is entered."""

    async def deliver() -> None:
        while True:
            world.traffic.deliver(5)
            _moving(world, WHILE_EDITED, 1)
            await asyncio.sleep(0.7)

    delivering = asyncio.create_task(deliver())
    try:
        yield
    finally:
        delivering.cancel()
        await asyncio.wait([delivering])


def _moving(world: World, kind: Kind, count: int) -> None:
    for _ in range(count):
        token = world.traffic.token()
        sender = f"{token}@{MOVING}"
        raw = mail(
            sender=sender, to=f"{EDITED}@example.com", subject=f"Matter {token}", headers={"X-Chaos-Token": token}
        )
        world.traffic.inject(token, EDITED, kind, raw, sender=sender)


def _block(spec: dict[str, Any], *more: str) -> None:
    spec["domains"]["blockedSenders"] = [f"*@{BLOCKED}", *more]


async def _change(world: World, name: str, edit: Edit, *options: str) -> None:
    """Export, edit one mailbox, apply. A new revision says that it was changed."""
    documents = yaml.safe_load_all(await world.command("export"))
    document = next(one for one in documents if one["kind"] == "Mailbox" and one["metadata"]["name"] == name)
    before = await world.store.mailboxes.get(name)
    edit(document["spec"])
    await _apply(world, document, *options)
    after = await world.store.mailboxes.get(name)
    assert before is not None and after is not None
    assert after.revision > before.revision, f"{name} was not changed"
    world.fault(f"mailbox {name} changed")


async def _apply(world: World, document: dict[str, Any], *options: str) -> None:
    file = world.folder / "edit.yaml"
    file.write_text(yaml.safe_dump(document))
    await world.command("apply", "-f", str(file), *options)


async def _keywords(world: World, count: int) -> None:
    """A service of the catalogue gets other keywords."""
    spec = {"title": "Chaos", "keywords": ["Matter", f"word {count}"]}
    await _apply(
        world, {"apiVersion": "mail-automator/v1", "kind": "Service", "metadata": {"name": "chaos"}, "spec": spec}
    )
    world.fault("keywords changed")


async def _password(world: World, new: str) -> None:
    """The mail server has another password, and refuses the old one, until somebody tells us."""
    world.dovecot.users[SWITCHED] = new
    await world.dovecot.stop()
    await world.dovecot.start()
    world.fault(f"another password of {SWITCHED}")
    await _reaches(world, SWITCHED, Phase.NEEDS_ATTENTION)

    def tell(spec: dict[str, Any]) -> None:
        spec["auth"].pop("passwordFrom")
        spec["auth"]["password"] = new

    await _change(world, SWITCHED, tell, "--wait")


async def _new_key(world: World, count: int) -> None:
    """A new key takes the place of the old one; a fetcher starts between that and the wrapping."""
    folder = world.system.data
    await world.command("secrets", "key", str(folder / f"new-{count}.key"))
    (folder / "store.key").replace(folder / OLD_KEY)
    (folder / f"new-{count}.key").replace(folder / "store.key")
    world.kill("fetcher")
    said = await world.command("secrets", "rotate-key")
    assert "left 0" in said and "re-wrapped 0" not in said, said
    world.fault("the key of secrets changed")


async def _switched_off_and_on(world: World) -> None:
    """A mailbox is disabled, another paused; their mail waits on the server."""
    await _change(world, SWITCHED, lambda spec: spec.update(enabled=False))
    await world.command("mailbox", "pause", PAUSED)
    world.fault(f"{PAUSED} paused")
    await _reaches(world, SWITCHED, Phase.STOPPED)
    await world.command("mailbox", "resume", PAUSED)
    await _change(world, SWITCHED, lambda spec: spec.update(enabled=True))


async def _reaches(world: World, name: str, phase: Phase) -> None:
    async with asyncio.timeout(30):
        while (await world.store.runtime.statuses())[name].state is not phase:
            await asyncio.sleep(0.2)


SCENARIOS = (Scenario("S29", "mailboxes, passwords and the key change under load", edited),)
