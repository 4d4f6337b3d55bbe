"""A private RabbitMQ node (Debian's rabbitmq-server 3.10 or newer), beside any that already runs on this machine.

Loopback only, own port, own epmd, own cookie, own user with a random password, its data under one folder. The node's
name comes from that folder, so data is found again though ports change from run to run. Must never use the machine's
/etc/rabbitmq, its epmd, or the guest user.
"""

import asyncio
import hashlib
import os
import secrets
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from services.all_in_one.locks import hold
from services.all_in_one.process import (
    LOOPBACK,
    free_ports,
    kill,
    port_answers,
    spawn,
    terminate,
    wait_for,
    wait_until,
)
from shared.domain.errors import ConfigurationError, Transient

BINARY: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
EPMD: Final = Path("/usr/bin/epmd")
PACKAGES: Final = ("rabbitmq-server",)
USER: Final = "mail-automator"
START_SECONDS: Final = 180.0
"""A node takes 7 s; on a machine that is busy with other work it has taken a minute. One that died is told at once."""
STOP_SECONDS: Final = 15.0


class RabbitMQ:
    """One private node in `folder`. `url` stays the same from start to start of this object; data stays for ever.
    `before_start` is given the folder each time, when nobody else uses it any more.

    Usable as `async with RabbitMQ(folder) as node`.
    """

    def __init__(self, folder: Path, *, before_start: Callable[[Path], None] | None = None) -> None:
        self.folder = folder.resolve()
        self._before_start = before_start
        self.node_name = f"mail_automator_{hashlib.sha256(str(self.folder).encode()).hexdigest()[:10]}@localhost"
        self.log_file = self.folder / "log" / "rabbitmq.log"
        self.port, self._dist_port, self._epmd_port = free_ports(3)
        self._node: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """AMQP 0-9-1 URL with its password: do not log it."""
        return f"amqp://{USER}:{self._password()}@{LOOPBACK}:{self.port}/"

    @property
    def pids(self) -> list[int]:
        """The node's process and its epmd's."""
        return [one.pid for one in (self._node, self._epmd) if one is not None]

    @property
    def running(self) -> bool:
        """Whether node and epmd are there."""
        return all(one is not None and one.poll() is None for one in (self._node, self._epmd))

    @property
    def environment(self) -> dict[str, str]:
        """What the node runs with; its command-line tools (rabbitmqctl) find it by the same."""
        folder = self.folder
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            # Run the Erlang VM as this very process: signals and deaths then reach it, not a shell around it.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": self.node_name,
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": str(self.log_file),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
        }

    async def start(self, *, patience: float = 20) -> None:
        """Start the node and wait until it answers AMQP, about 7 s. A second start keeps the port of the first.

        Waits up to `patience` seconds for another node on this folder to end. Raises ConfigurationError if it does
        not, or if RabbitMQ is not installed; Transient with its last log lines if it does not come up.
        """
        if not BINARY.exists():
            raise ConfigurationError(
                "RabbitMQ is not installed", where=str(BINARY), remedy=f"apt-get install {' '.join(PACKAGES)}"
            )
        self._write_files()
        # A node whose starter was killed takes a moment to close its files: until then it holds the lock.
        lock = await hold(self.folder / "lock", "a RabbitMQ already runs on this folder", "stop it first", patience)
        try:
            if self._before_start is not None:
                self._before_start(self.folder)
            await self._spawn(lock)
        finally:
            os.close(lock)
        if not await wait_for(self._answers_or_died, START_SECONDS) or not self.running:
            await self.kill()
            raise Transient("the private RabbitMQ did not start", where=str(self.log_file), remedy=self._last_words())

    async def _spawn(self, lock: int) -> None:
        command = [EPMD, "-address", LOOPBACK, "-port", str(self._epmd_port)]
        self._epmd = spawn(command, env={"PATH": "/usr/bin:/bin"})
        await wait_until(lambda: port_answers(self._epmd_port), 5)
        with (self.folder / "log" / "console.log").open("wb") as console:
            # SIGTERM even when our parent is killed: the node then closes its files in order.
            self._node = spawn(
                [BINARY], env=self.environment, output=console, death_signal=signal.SIGTERM, keep=(lock,)
            )

    async def stop(self) -> None:
        """Stop the node in order, then its epmd; kill what does not end in 15 s. No process is left."""
        if self._node is not None:
            await terminate(self._node, grace=STOP_SECONDS)
        if self._epmd is not None:
            await kill(self._epmd)

    async def kill(self) -> None:
        """kill -9 of the node and its epmd, as a power cut would."""
        for process in (self._node, self._epmd):
            if process is not None:
                await kill(process)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _answers_or_died(self) -> bool:
        return not self.running or await _speaks_amqp(self.port)

    def _write_files(self) -> None:
        (self.folder / "home").mkdir(parents=True, exist_ok=True)
        (self.folder / "log").mkdir(exist_ok=True)
        self.folder.chmod(0o700)
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "advanced.config").write_text("[].\n")
        configuration = self.folder / "rabbitmq.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(_CONFIGURATION.format(user=USER, password=self._password()))

    def _password(self) -> str:
        """The node's password: random, made on first use, kept with its data (the node remembers its first one)."""
        file = self.folder / "password"
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24))
        return file.read_text()

    def _last_words(self) -> str:
        lines = [
            line
            for name in ("rabbitmq.log", "console.log")
            if (self.folder / "log" / name).exists()
            for line in (self.folder / "log" / name).read_text(errors="replace").splitlines()
            if "[error]" in line or "ERROR" in line
        ]
        return " | ".join(lines[-2:]) or "look at its log"


async def _speaks_amqp(port: int) -> bool:
    """Whether the port answers an AMQP 0-9-1 protocol header with Connection.Start (a frame of type method)."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(b"AMQP\x00\x00\x09\x01")
                return await reader.readexactly(1) == b"\x01"
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False


_CONFIGURATION: Final = """\
default_user = {user}
default_pass = {password}
default_permissions.configure = .*
default_permissions.read = .*
default_permissions.write = .*
loopback_users.{user} = true
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.relative = 0.3
raft.wal_max_size_bytes = 67108864
log.file.level = warning
"""
"""A laptop's limits: the write-ahead log of quorum queues, kept in memory too, is 512 MB by default."""

_ERLANG: Final = " ".join(
    (
        "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
        "+sbwt none +sbwtdcpu none +sbwtdio none",  # no spinning: the cores are everybody's
        "+S 1:1 +SDcpu 1:1",  # one thread: handing work from one to another was a fifth of its time
    )
)
