"""A real Prometheus on the running system: everything is scraped, every expression answers, and what stands still or
dies fires exactly the alerts that docs/runbooks/README.md names, and they end when it goes on.

The rules are ours with shorter durations (a minute is 2.4 s); windows shrink with them. `make alerts-check` also kills
what `make test` lets stand still.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from services.all_in_one.settings import PIPELINE
from tests.support.canary import secret
from tests.support.mails import mail
from tests.support.monitoring import alerts, panels, promtool, recorded, stands_still
from tests.support.pipeline import QUICK, Pipeline, pipeline
from tests.support.prometheus import Prometheus, shortened

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

FACTOR = 25
MAILS = 12
FIRES_SECONDS, CALM_SECONDS = 120, 150
MISSED = frozenset({"ServiceDown", "ReplicaDown"})
"""Minutes are seconds here: on a busy machine scrapes are missed for so long that a service seems to be down."""
WATCHFUL = {
    **QUICK,
    "MAIL_AUTOMATOR_BOOKKEEPER_BOOKS_SECONDS": "1",
    "MAIL_AUTOMATOR_BROKER_HEARTBEAT_SECONDS": "5",
    "MAIL_AUTOMATOR_BROKER_PUBLISH_TIMEOUT_SECONDS": "5",
    "MAIL_AUTOMATOR_STORE_TIMEOUT_SECONDS": "3",
}


@dataclass
class Watched:
    """The system and who watches it."""

    system: Pipeline
    prometheus: Prometheus


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    folder = tmp_path_factory.mktemp("monitoring")
    async with pipeline(folder, {"support": secret()}, environ=WATCHFUL, tap=False) as running:
        await running.add_mailbox("support", "support")
        yaml = (running.folder / "support.yaml").read_text().replace("startFrom: all", "startFrom: all, pollSeconds: 5")
        (running.folder / "support.yaml").write_text(yaml)
        code, out, err = await running.command("apply", "-f", str(running.folder / "support.yaml"))
        assert code == 0, out + err
        targets = [urlsplit(url).netloc for name in PIPELINE for url in running.system.admin_urls(name)]
        async with Prometheus(folder / "prometheus", targets, FACTOR) as prometheus:
            for count in range(MAILS):
                running.dovecot.deliver("support", mail(subject=f"Printer {count}"))
            await running.settled("support", MAILS)
            yield Watched(running, prometheus)


NAMED = stands_still()


async def test_every_service_is_scraped_and_every_rule_is_well(watched: Watched) -> None:
    """All alerts and recording rules are loaded, and Prometheus has nothing to say against them."""

    async def well() -> bool:
        rules = await watched.prometheus.rules()
        return not await watched.prometheus.down() and bool(rules) and all(one["health"] == "ok" for one in rules)

    await eventually(well, 60, "a target is down, or a rule is not well")
    rules = await watched.prometheus.rules()
    assert {one["name"] for one in rules} == {*alerts(), *recorded()}
    assert [one["lastError"] for one in rules if one.get("lastError")] == []
    services = await watched.prometheus.query("count by (service) (mail_automator_build_info)")
    assert {one["metric"]["service"] for one in services} == set(PIPELINE)


@pytest.mark.parametrize("service", PIPELINE)
async def test_a_running_service_answers_its_probes_and_exposes_what_promtool_likes(
    watched: Watched, service: str
) -> None:
    """As docs/kubernetes.md has it; `promtool check metrics` over what it really exposes."""
    (url,) = watched.system.system.admin_urls(service)
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        for probe in ("/livez", "/readyz", "/startupz"):
            answer = await client.get(probe)
            assert (answer.status_code, answer.text) == (200, "ok"), probe
        verbose = (await client.get("/readyz?verbose")).json()
        assert verbose["ready"] is True
        assert set(verbose["parts"]) == ({"store", "api"} if service == "console" else {"store", "broker"})
        assert (await client.get("/version")).json() == {"service": service, "version": version("mail-automator")}
        exposed = await client.get("/metrics")
    done = await asyncio.to_thread(promtool, "check", "metrics", given=exposed.content)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


async def test_every_panel_of_every_dashboard_shows_something(watched: Watched) -> None:
    """On a healthy system that has handled a little mail."""
    expressions = {panel: shortened(panel.expression.replace("$mailbox", ".*"), FACTOR) for panel in panels()}

    async def empty() -> list[str]:
        found = [(panel, await watched.prometheus.query(text)) for panel, text in expressions.items()]
        return [f"{panel.dashboard}, {panel.title}: {panel.expression}" for panel, result in found if not result]

    async def full() -> bool:
        return not await empty()

    await eventually(full, 60, "")
    assert await empty() == []


async def test_a_healthy_system_alarms_nobody(watched: Watched) -> None:
    """With mail going through it."""
    await calm(watched)
    before = len(await watched.system.entries("support"))
    for count in range(6):
        watched.system.dovecot.deliver("support", mail(subject=f"Quiet {count}"))
    await watched.system.settled("support", before + 6)
    for _ in range(10):
        await asyncio.sleep(1)
        assert await watched.prometheus.firing() <= MISSED
    await calm(watched)


@pytest.mark.parametrize("part", sorted(NAMED))
@pytest.mark.parametrize("how", ["stands still", pytest.param("dies", marks=pytest.mark.long)])
async def test_what_stands_still_or_dies_fires_what_the_runbooks_name_until_it_goes_on(
    watched: Watched, how: str, part: str
) -> None:
    """All that are named, no others; and none is left when it is well again."""
    await calm(watched)
    fires, may = NAMED[part]
    stop = {"stands still": frozen, "dies": down if part == "mail server" else dying}[how]
    seen: set[str] = set()

    async def all_fired() -> bool:
        seen.update(await watched.prometheus.firing())
        return fires <= seen

    async with stop(watched, part):
        await eventually(
            all_fired, FIRES_SECONDS, f"of {sorted(fires)}", lambda: [*watched.system.log[-40:], sorted(seen)]
        )
        for _ in range(3):
            await asyncio.sleep(1)
            await all_fired()
    missed = frozenset[str]() if part in PIPELINE else MISSED
    assert seen - may - missed == fires, "\n".join(watched.system.log[-40:])
    await calm(watched)
    watched.system.dovecot.deliver("support", mail(subject=f"After {part}"))
    await watched.system.settled("support", len(await watched.system.entries("support")) + 1, seconds=90)


@asynccontextmanager
async def frozen(watched: Watched, part: str) -> AsyncIterator[None]:
    """SIGSTOP: it is there, takes connections, and answers nothing; no supervisor starts it again."""
    pids = processes(watched, part)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def dying(watched: Watched, part: str) -> AsyncIterator[None]:
    """kill -9, and again as soon as its supervisor has started it."""

    async def kill_on() -> None:
        while True:
            for pid in processes(watched, part):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.2)

    killing = asyncio.create_task(kill_on())
    try:
        yield
        assert not killing.done()
    finally:
        killing.cancel()


def processes(watched: Watched, part: str) -> list[int]:
    """The process ids of a part as it runs now; of the mail server, those that hold connections too."""
    if part != "mail server":
        return watched.system.system.processes["rabbitmq" if part == "broker" else part]
    every = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
    return [pid for pid in every if group_of(pid) == watched.system.dovecot.pid]


def group_of(pid: int) -> int | None:
    """The process group, which a server's children share with it; None if the process has ended meanwhile."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


@asynccontextmanager
async def down(watched: Watched, _: str) -> AsyncIterator[None]:
    """The mail server is gone, and comes back on its ports."""
    await watched.system.dovecot.kill()
    try:
        yield
    finally:
        await watched.system.dovecot.start()


async def calm(watched: Watched) -> None:
    """Until nothing fires."""

    async def quiet() -> bool:
        return not await watched.prometheus.firing()

    await eventually(quiet, CALM_SECONDS, "an alert does not end")


async def eventually(
    there: Callable[[], Awaitable[bool]], seconds: float, otherwise: str, seen: Callable[[], object] = str
) -> None:
    """Until it is so; fails with what was seen. An empty `otherwise` leaves it to the caller to say what is missing."""
    end = asyncio.get_running_loop().time() + seconds
    while not await there():
        if asyncio.get_running_loop().time() > end:
            assert not otherwise, f"{otherwise}: after {seconds:g} s only {seen()}"
            return
        await asyncio.sleep(0.2)
