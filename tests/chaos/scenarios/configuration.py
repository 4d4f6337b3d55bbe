"""S29: people change mailboxes, passwords and the key of secrets while mail comes in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import yaml

from shared.domain.mailbox_runtime import Phase
from shared.store.keys import create_key_file
from tests.chaos.oracle import Ends
from tests.chaos.scenarios.scenario import FOLLOWED_SECONDS, Scenario
from tests.chaos.settle import settle
from tests.chaos.traffic import BLOCKED, Kind
from tests.chaos.world import OLD_KEY, World
from tests.support.canary import secret
from tests.support.mails import mail

ROUNDS = 2
EDITED, SWITCHED = "alpha", "beta"
MOVING = "moving.example"
"""A domain that is blocked and let in again."""
WHILE_EDITED = Kind("moving", 0, Ends.ANY, acknowledged=True)
ONCE_BLOCKED = Kind("moving, blocked", 0, Ends.REJECTED)
ONCE_FREE = Kind("moving, free again", 0, Ends.TICKET, acknowledged=True)
Spec = dict[str, Any]
"""The `spec` of a document."""


async def edited(world: World, seconds: float) -> None:
    """Rounds of everything under load; then one change alone, whose effect must be seen from then on."""
    specs = {
        one["metadata"]["name"]: one["spec"]
        for one in yaml.safe_load_all(await world.command("export"))
        if one["kind"] == "Mailbox"
    }
    blocked, free, switched = _blocked(specs[EDITED], f"*@{MOVING}"), _blocked(specs[EDITED]), specs[SWITCHED]
    async with _load(world):
        for count in range(ROUNDS):
            await _apply(world, {EDITED: blocked}, keywords=["Matter", f"word {count}"])
            switched = await _password(world, switched, secret(f"chaos {count}"))
            await _new_key(world, count)
            await _apply(world, {EDITED: free, SWITCHED: {**switched, "enabled": False}})
            await _reaches(world, SWITCHED, Phase.STOPPED)
            await _apply(world, {SWITCHED: switched})
    await settle(world, 60)
    for spec, kind in ((blocked, ONCE_BLOCKED), (free, ONCE_FREE)):
        await _apply(world, {EDITED: spec})
        await asyncio.sleep(FOLLOWED_SECONDS)
        _moving(world, kind, 5)
        await settle(world, 60)


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


def _blocked(spec: Spec, *more: str) -> Spec:
    return {**spec, "domains": {**spec["domains"], "blockedSenders": [f"*@{BLOCKED}", *more]}}


async def _apply(world: World, mailboxes: dict[str, Spec], keywords: list[str] | None = None) -> None:
    """Each of these mailboxes is changed, and a service of the catalogue gets these keywords."""
    documents = [_document("Mailbox", name, spec) for name, spec in mailboxes.items()]
    if keywords:
        documents.append(_document("Service", "chaos", {"title": "Chaos", "keywords": keywords}))
    file = world.folder / "edit.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    before = {one.name: one.revision for one in await world.store.mailboxes.all()}
    await world.command("apply", "-f", str(file))
    after = {one.name: one.revision for one in await world.store.mailboxes.all()}
    for name in mailboxes:
        assert after[name] > before[name], f"{name} was not changed"
    world.fault(f"applied: {', '.join(mailboxes)}")


def _document(kind: str, name: str, spec: Spec) -> Spec:
    return {"apiVersion": "mail-automator/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


async def _password(world: World, spec: Spec, new: str) -> Spec:
    """The mail server has another password, and refuses the old one, until somebody tells us."""
    world.dovecot.users[SWITCHED] = new
    await world.dovecot.stop()
    await world.dovecot.start()
    world.fault(f"another password of {SWITCHED}")
    await _reaches(world, SWITCHED, Phase.NEEDS_ATTENTION)
    auth = {name: value for name, value in spec["auth"].items() if name != "passwordFrom"}
    told = {**spec, "auth": {**auth, "password": new}}
    await _apply(world, {SWITCHED: told})
    return told


async def _new_key(world: World, count: int) -> None:
    """A new key takes the place of the old one; a fetcher starts between that and the wrapping."""
    key, new = world.system.data / "store.key", world.system.data / f"new-{count}.key"
    create_key_file(new)
    key.replace(key.with_name(OLD_KEY))
    new.replace(key)
    world.kill("fetcher")
    said = await world.command("secrets", "rotate-key")
    assert "left 0" in said and "re-wrapped 0" not in said, said
    world.fault("the key of secrets changed")


async def _reaches(world: World, name: str, phase: Phase) -> None:
    async with asyncio.timeout(30):
        while (await world.store.runtime.statuses())[name].state is not phase:
            await asyncio.sleep(0.2)


SCENARIOS = (
    Scenario(
        "S29",
        "mailboxes, passwords and the key change under load",
        edited,
        allows=frozenset({"switched_off"}),
        short=False,
    ),
)
