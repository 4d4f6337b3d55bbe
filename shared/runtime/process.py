"""The life of a service process: logs, admin port, signals, drain, exit code.

SIGTERM and SIGINT set `draining`; the service finishes what it holds and returns, by its deadline at the latest. A
configuration error ends the process with one clear line and code 78, something unreachable at start with 69 (sysexits),
never with a traceback.
"""

import asyncio
import importlib.metadata
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

import structlog
import uvloop

from shared.domain.errors import AutomatorError, Transient
from shared.observability import logs
from shared.observability.crash_points import arm_by
from shared.observability.metrics import Metrics
from shared.observability.tracing import Tracing
from shared.runtime import admin
from shared.runtime.clock import Clock
from shared.runtime.deadline import finish, gone_by
from shared.runtime.garbage import collect_rarely
from shared.runtime.pulse import WAITING_SECONDS, Pulse
from shared.runtime.settings import AdminSettings, LogSettings, MetricsSettings, StopSettings, TracingSettings, read
from shared.runtime.tracing import start

EXIT_UNAVAILABLE = 69
EXIT_CONFIGURATION = 78
HAND_OVER_SECONDS = 1.5
"""How long the end may wait for a collector of traces: less than DROP_SECONDS."""

log = structlog.get_logger(__name__)


class Process:
    """What a running service is given."""

    def __init__(
        self,
        service: str,
        environ: Mapping[str, str],
        clock: Clock | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.service = service
        self.version = version()
        self.tracing = tracing
        """None: it is off."""
        self.environ = environ
        self.clock = clock or Clock()
        self.pulse = Pulse(self.clock.monotonic)
        self.metrics = Metrics(service, self.version, read(MetricsSettings, environ).mailboxes)
        self.draining = asyncio.Event()
        self.allowed = asyncio.Event()
        """Set while this process may take work; see `hold`."""
        self.allowed.set()
        self._parts: dict[str, bool] = {}
        self._started = False
        self.metrics.work_loops_hung.set_function(lambda: len(self.hung()))
        self.beat()

    def ready(self, part: str, ok: bool) -> None:
        """Say whether something this process needs is there; /readyz is the sum. What is waited for at the start is
        said to be missing before, or the sum would be early."""
        self._parts[part] = ok
        self._started = self._started or all(self._parts.values())
        self.metrics.part_ready.labels(part).set(int(ok))

    def hold(self, part: str, ok: bool) -> None:
        """Like `ready`, for something without which nothing may be taken on: work is held while it is missing."""
        self.ready(part, ok)
        self.allowed.set() if ok else self.allowed.clear()
        self.metrics.held.set(0 if ok else 1)

    async def permitted(self) -> bool:
        """Whether work may be taken; False after a second of being held, so that a caller can look at `draining`."""
        if not self.allowed.is_set():
            self.beat()
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self.allowed.wait()
        return self.allowed.is_set()

    async def may_go_on(self) -> bool:
        """Waits while work is held; False if the process drains before."""
        while not await self.permitted():
            if self.draining.is_set():
                return False
        return True

    def beat(self) -> None:
        """Say that the work loop which calls this gets on; /livez fails when one is silent for too long."""
        self.pulse.tick()
        self.metrics.heartbeat.set(self.clock.now().timestamp())

    def hung(self) -> tuple[str, ...]:
        """A sentence for each work loop that does not get on."""
        return self.pulse.hung()

    def started(self) -> bool:
        """Whether everything it needs has been there at least once."""
        return self._started

    def readiness(self) -> dict[str, bool]:
        """Each part that was ever reported, and `draining` while stopping."""
        return {**self._parts, **({"not_draining": False} if self.draining.is_set() else {})}

    async def pause(self, seconds: float) -> bool:
        """Wait, but no longer than until the drain begins. Returns whether it began."""
        with self.pulse.at("a pause", within=seconds + WAITING_SECONDS), suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.draining.wait()
        return self.draining.is_set()


def version() -> str:
    """The version of what runs."""
    return importlib.metadata.version("mail-automator")


Main = Callable[[Process], Coroutine[object, object, None]]


def run_service(service: str, main: Main) -> None:
    """Run a service to its end and exit with its code. The only thing a `__main__.py` calls."""
    environ = dict(os.environ)  # noqa: TID251 - the one place
    try:
        settings = read(LogSettings, environ)
        tracing = start(service, version(), read(TracingSettings, environ))
        logs.configure(service, settings.format, settings.level, [tracing.mark] if tracing else [])
        arm_by(Path(environ.get("MAIL_AUTOMATOR_CRASH_PLAN", "")))
        collect_rarely()
        code = uvloop.run(_life(service, main, environ, tracing))
    except (AutomatorError, ExceptionGroup) as raised:
        error = _only_ours(raised)
        sys.stderr.write(f"error: {service}: {error.line()}\n")
        code = EXIT_UNAVAILABLE if isinstance(error, Transient) else EXIT_CONFIGURATION
    sys.exit(code)


def _only_ours(raised: Exception) -> AutomatorError:
    """The first error of ours in a group of nothing else; what is not ours goes on up, with its traceback."""
    if isinstance(raised, AutomatorError):
        return raised
    if isinstance(raised, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", raised)
        if group.split(AutomatorError)[1] is None:
            return _only_ours(group.exceptions[0])
    raise raised


async def _life(service: str, main: Main, environ: Mapping[str, str], tracing: Tracing | None) -> int:
    process = Process(service, environ, tracing=tracing)
    loop = asyncio.get_running_loop()
    seconds = read(StopSettings, environ).seconds

    def stop() -> None:
        gone_by(service, seconds)
        process.draining.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    settings = read(AdminSettings, environ)
    listener = admin.bind(settings.host, settings.port)
    server = admin.server(process)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    log.info("started", version=process.version, admin_port=listener.getsockname()[1])
    try:
        await finish(main(process), process.draining, service, seconds)
    finally:
        server.should_exit = True
        closing = [asyncio.create_task(asyncio.to_thread(tracing.close, HAND_OVER_SECONDS))] if tracing else []
        await asyncio.wait([serving, *closing], timeout=3)
    log.info("stopped")
    return 0
