"""A rolling restart of every service under load: in order, in time, without storms of redelivery, nothing lost."""

import asyncio
import os
import re
import signal
import time
import urllib.request
from collections import Counter

import pytest

from services.all_in_one.settings import PIPELINE
from tests.support.fetching import eventually
from tests.support.mails import mail
from tests.support.pipeline import QUICK, Pipeline, pipeline

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

USERS = {"a": "secret", "b": "secret"}
PAUSE = 0.1
DEADLINE = 6
COUNTED = re.compile(r'mail_automator_redelivered_total\{stage="(\w+)"\} ([\d.]+)')


async def test_a_rolling_restart_under_load_loses_nothing_and_causes_no_storm(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    services = {**dict.fromkeys(PIPELINE, 1), "filter": 2, "classifier": 2, "ticket_writer": 2}
    async with pipeline(tmp_path_factory.mktemp("rolling"), USERS, services) as system:
        for user in USERS:
            await system.add_mailbox(user, user)
        sent: Counter[str] = Counter()
        feeding = asyncio.create_task(_feed(system, sent))
        again: Counter[str] = Counter()
        try:
            for name, replicas in services.items():
                for index in range(replicas):
                    again += await _redelivered(system, name, index)
                    print(f"{name} {index} stopped in {await _restart(system, name, index):.1f} s")
        finally:
            feeding.cancel()
        for user in USERS:
            entries = await system.settled(user, sent[user], seconds=120)
            assert len(entries) == sent[user]
        for name, replicas in services.items():
            for index in range(replicas):
                again += await _redelivered(system, name, index)
        print(f"{sent.total()} mails; redelivered by stage: {dict(again) or 'none'}")
        assert again.total() < sent.total(), "not even one redelivery per mail"
        await system.balance()


async def _feed(system: Pipeline, sent: Counter[str]) -> None:
    while True:
        for user in USERS:
            system.dovecot.deliver(user, mail(subject=f"{user} {sent[user]}"))
            sent[user] += 1
        await asyncio.sleep(PAUSE)


async def _restart(system: Pipeline, name: str, index: int) -> float:
    """SIGTERM; wait until it has ended in order and its successor is ready. Returns the seconds until its end."""
    kept = [one for one in system.system.supervisor.kept if one.program.name == name][index]
    ends, began = len(kept.ends), time.monotonic()
    system.system.kill(name, index, signal.SIGTERM)

    async def ended() -> bool:
        return len(kept.ends) > ends

    await eventually(ended, 30)
    seconds = time.monotonic() - began
    assert kept.ends[-1] == 0, f"{name} ended with {kept.ends[-1]}"
    await eventually(lambda: _ready(system, name, index), 60)
    return seconds


async def _ready(system: Pipeline, name: str, index: int) -> bool:
    try:
        await asyncio.to_thread(_get, system, name, index, "/readyz")
    except OSError:
        return False
    return True


async def _redelivered(system: Pipeline, name: str, index: int) -> Counter[str]:
    text = await asyncio.to_thread(_get, system, name, index, "/metrics")
    return Counter({stage: int(float(count)) for stage, count in COUNTED.findall(text)})


def _get(system: Pipeline, name: str, index: int, path: str) -> str:
    url = system.system.admin_urls(name)[index] + path
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
        return text


async def test_a_hung_broker_and_a_hung_store_make_no_stop_hang(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Both are frozen while mail flows; every service is gone by its deadline all the same."""
    environ = {**QUICK, "MAIL_AUTOMATOR_STOP_SECONDS": str(DEADLINE)}
    async with pipeline(tmp_path_factory.mktemp("hung"), USERS, environ=environ) as system:
        for user in USERS:
            await system.add_mailbox(user, user)
        for count in range(200):
            system.dovecot.deliver("a", mail(subject=f"a {count}"))
        while not await system.entries("a"):
            await asyncio.sleep(0.01)
        servers = [pid for name in ("rabbitmq", "store") for pid in system.system.processes[name]]
        ends = await _stop_all_while_frozen(system, servers)
        print(f"stopped while broker and store were frozen: {ends}")
        assert all(seconds < DEADLINE + 2 for seconds, _ in ends.values())
        assert {code for _, code in ends.values()} <= {0, 75}
        entries = await system.settled("a", 200, seconds=120)
        assert len(entries) == 200
        await system.balance()


async def _stop_all_while_frozen(system: Pipeline, servers: list[int]) -> dict[str, tuple[float, int]]:
    """Freeze the servers, tell every service to stop, thaw: how long each took, and its exit code."""
    kept = {one.program.name: one for one in system.system.supervisor.kept}
    before = {name: len(one.ends) for name, one in kept.items()}
    found: dict[str, tuple[float, int]] = {}

    async def all_ended() -> bool:
        for name, one in kept.items():
            if name not in found and len(one.ends) > before[name]:
                found[name] = (round(time.monotonic() - began, 1), one.ends[-1])
        return len(found) == len(kept)

    for pid in servers:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        for name in kept:
            system.system.kill(name, 0, signal.SIGTERM)
        await eventually(all_ended, DEADLINE * 3)
    finally:
        for pid in servers:
            os.kill(pid, signal.SIGCONT)
    return found
