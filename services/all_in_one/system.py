"""The whole system under one data folder: broker, store, key, and every service as its own process.

This is what `make run`, the demo, the end-to-end tests and the bench start. Must never touch a broker or store that
it did not start, other than to use one it was given by URL.
"""

import asyncio
import json
import os
import secrets
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from services.all_in_one import debian, first_moments, reachable, readiness
from services.all_in_one.embedded_store import EmbeddedStore
from services.all_in_one.guard import Guard
from services.all_in_one.launch import Launch
from services.all_in_one.locks import hold
from services.all_in_one.process import free_ports
from services.all_in_one.rabbitmq import BINARY, PACKAGES, RabbitMQ
from services.all_in_one.settings import ONE_EACH, PIPELINE, environment
from services.all_in_one.supervisor import Kept, Log, Program, Supervisor
from shared.contracts.events import DEFAULT_SOURCE
from shared.domain.errors import ConfigurationError, Fatal, Transient
from shared.runtime.process import EXIT_CONFIGURATION
from shared.runtime.settings import PREFIX
from shared.store.keys import create_key_file

ENDPOINTS: Final = "endpoints.json"


def silent(_: str) -> None:
    """A log that keeps nothing."""


class System:
    """Everything, started by `async with System(folder) as system` and stopped, without a process left, at its end.

    `services` says how many replicas of which service; `log` gets each line of the merged stream. `broker_url` and
    `store_url` use what already runs; otherwise private ones are started, and restarted when they die. `environ` is
    what the services inherit (their settings: MAIL_AUTOMATOR_FILTER_... and so on); by default this process's own.
    Data stays in the folder from run to run; only one System may run on it at a time.
    """

    def __init__(
        self,
        data: Path,
        services: Mapping[str, int] = ONE_EACH,
        log: Log = silent,
        *,
        broker_url: str | None = None,
        store_url: str | None = None,
        environ: Mapping[str, str] | None = None,
        launch: Launch | None = None,
    ) -> None:
        self.data = data.expanduser().resolve()
        self.services = _known(services)
        self.launch = launch or Launch()
        self.key_file = None if self.launch.key_inherited else self.launch.key_file or self.data / "store.key"
        self.supervisor = Supervisor(log, self.launch.longest_pause)
        self._given = {"broker": broker_url, "store": store_url}
        self._environ = environment() if environ is None else dict(environ)
        self._rabbitmq = RabbitMQ(self.data / "rabbitmq", before_start=first_moments.forget_unsettled)
        self._store = EmbeddedStore(self.data / "store")
        self._guards: list[Guard] = []
        self._lock: int | None = None
        self._identity = secrets.token_hex(3)

    @property
    def broker_url(self) -> str:
        """AMQP URL with its password."""
        return self._given["broker"] or self._rabbitmq.url

    @property
    def store_url(self) -> str:
        """MongoDB URL."""
        return self._given["store"] or self._store.url

    @property
    def processes(self) -> dict[str, list[int]]:
        """Process ids by name: one per living replica of each service, and those of `rabbitmq` and `store`."""
        found: dict[str, list[int]] = {name: [] for name in self.services}
        for kept in self.supervisor.kept:
            found[kept.program.name] += [kept.pid] if kept.pid else []
        own = {"rabbitmq": self._rabbitmq, "store": self._store}
        return found | {guard.name: own[guard.name].pids for guard in self._guards}

    @property
    def endpoints(self) -> dict[str, object]:
        """What `endpoints.json` holds: where everything can be reached."""
        return {
            "broker_url": self.broker_url,
            "store_url": self.store_url,
            "store_database": self.launch.database,
            "event_source": self._environ.get(f"{PREFIX}EVENT_SOURCE", DEFAULT_SOURCE),
            "key_file": str(self.key_file) if self.key_file else None,
            "pid": os.getpid(),
            "services": {name: self.admin_urls(name) for name in self.services},
            "api": self.api_urls,
        }

    @property
    def api_urls(self) -> list[str]:
        """The URL of the HTTP API of each console; its paths begin with /api/v1."""
        return [f"http://127.0.0.1:{one.program.api_port}" for one in self.supervisor.kept if one.program.api_port]

    def admin_urls(self, name: str) -> list[str]:
        """The admin URL (/metrics, /readyz, /livez) of each replica of a service."""
        kept = (one for one in self.supervisor.kept if one.program.name == name)
        return [f"http://127.0.0.1:{one.program.admin_port}" for one in kept]

    def kill(self, name: str, index: int = 0, number: signal.Signals = signal.SIGKILL) -> int:
        """Signal one process of a service (or of `rabbitmq`, `store`). Returns its id; it will be started again."""
        pid = self.processes[name][index]
        os.kill(pid, number)
        return pid

    async def start(self) -> None:
        """Start all and wait until every service is ready.

        Raises ConfigurationError (also that of a service that refuses to start) or Transient; nothing is left then.
        """
        try:
            await self.start_servers()
            await self.start_services()
        except BaseException:
            await self.stop()
            raise

    async def start_servers(self) -> None:
        """Take the folder, make the key on first use; start broker and store, or ask those given for an answer."""
        self.data.mkdir(parents=True, exist_ok=True)
        self.data.chmod(0o700 if self.launch.private else 0o711)
        what, remedy = "another all_in_one runs on this folder", "stop it, or give another folder (MAIL_AUTOMATOR_DATA)"
        self._lock = await hold(self.data / "lock", what, remedy)
        if self.key_file is not None and not self.key_file.exists():
            create_key_file(self.key_file)
        servers = self._broker_answers(), self._store_answers()
        for result in await asyncio.gather(*servers, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        self._write_endpoints()

    async def start_services(self) -> None:
        """Start the services and wait until each /readyz answers 200."""
        ports = iter(free_ports(sum(self.services.values()) + self.services.get("console", 0)))
        started = [
            self.supervisor.start(self._program(name, index, ports))
            for name in PIPELINE
            for index in range(self.services.get(name, 0))
        ]
        self._write_endpoints()
        await self._ready(started)

    async def stop(self) -> None:
        """Drain the services, then stop broker and store; no process is left. Safe to call at any time."""
        await self.supervisor.stop(self.launch.drain_seconds)
        await asyncio.gather(*(guard.stop() for guard in self._guards))
        self._guards.clear()
        if self._lock is not None:
            (self.data / ENDPOINTS).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _broker_answers(self) -> None:
        given = self._given["broker"]
        await (reachable.check_broker(given) if given else self._start_rabbitmq())

    async def _store_answers(self) -> None:
        given = self._given["store"]
        await (reachable.check_store(given) if given else self._start_store())

    async def _start_store(self) -> None:
        guard = Guard("store", self._store, self.supervisor.say)
        self._guards.append(guard)
        await guard.start()

    async def _start_rabbitmq(self) -> None:
        await asyncio.to_thread(
            debian.ensure_package,
            BINARY,
            PACKAGES,
            allow_install=self.launch.allow_install,
            say=self.supervisor.say,
        )
        guard = Guard("rabbitmq", self._rabbitmq, self.supervisor.say)
        self._guards.append(guard)
        await guard.start()
        await first_moments.settle(self._rabbitmq.folder, self.broker_url)

    def _program(self, name: str, index: int, ports: Iterator[int]) -> Program:
        admin_port, api_port = next(ports), 0
        env = self.launch.environment(self._environ, self.broker_url, self.store_url, self.key_file, admin_port)
        if name == "fetcher":
            # The same name after a restart gets the same mailboxes back at once, not when the old leases run out.
            env[f"{PREFIX}FETCHER_ID"] = f"{socket.gethostname()}-{self._identity}-{index}"
        if name == "console":
            free = next(ports)
            api_port = self.launch.api_port if self.launch.api_port and index == 0 else free
            env[f"{PREFIX}CONSOLE_PORT"] = str(api_port)
        return Program(name, self.launch.command(name), env, index, admin_port, api_port)

    def _write_endpoints(self) -> None:
        file = self.data / ENDPOINTS
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text(json.dumps(self.endpoints, indent=2) + "\n")

    async def _ready(self, started: list[Kept]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.launch.ready_seconds
        waiting = list(started)
        while waiting:
            _refused(started)
            waiting = [one for one in waiting if not await readiness.ready(one.program.admin_port)]
            if waiting and loop.time() > deadline:
                names = ", ".join(dict.fromkeys(one.program.name for one in waiting))
                raise Transient(
                    f"not ready after {self.launch.ready_seconds:g} s: {names}", remedy=waiting[0].last_line
                )
            if waiting:
                await asyncio.sleep(0.1)


def _known(services: Mapping[str, int]) -> dict[str, int]:
    """The services to start, in pipeline order. Raises ConfigurationError for a name that is none."""
    unknown = [name for name in services if name not in PIPELINE]
    if unknown:
        raise ConfigurationError(f"{unknown[0]} is not a service", remedy=f"name some of {', '.join(PIPELINE)}")
    return {name: services[name] for name in PIPELINE if services.get(name, 0) > 0}


def _refused(started: list[Kept]) -> None:
    """Raise what a service said that refuses to start at all (sysexits 78): trying again would not help."""
    for one in started:
        if EXIT_CONFIGURATION in one.ends:
            name = one.program.name
            raise Fatal(f"{name} refuses to start: {one.last_line.removeprefix(f'error: {name}: ')}", code="refused")
