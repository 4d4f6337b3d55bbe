"""TCP proxies with faults, in a process of their own: `python -m tests.chaos.proxy SOCKET SEED NAME=PORT:TARGET ...`.

Each link is told what to do over a Unix socket, one JSON object a line: `{"link": "imap", "latency": 0.3}`. What a
command does not name goes back to normal. Loopback only; ends with its parent.
"""

import asyncio
import contextlib
import json
import random
import socket
import struct
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.all_in_one.process import LOOPBACK, free_ports, kill, port_answers, spawn, wait_until

CHUNK = 64 * 1024


@dataclass(frozen=True)
class Fault:
    """What a link does to its bytes.

    `latency` seconds each way; `slice` most bytes per write; `limit` bytes after which a connection is reset (both
    directions together); `hole` bytes vanish "in" (to the client), "out" (to the server) or "both"; `down` refuses
    new connections; `reset` ends those that are there, once.
    """

    latency: float = 0
    slice: int = 0
    limit: int = 0
    hole: str = ""
    down: bool = False
    reset: bool = False


@dataclass
class Link:
    """One proxied port."""

    name: str
    port: int
    target: int
    seed: int
    fault: Fault = field(default_factory=Fault)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    connections: int = 0

    async def start(self) -> None:
        """Listen."""
        await asyncio.start_server(self._serve, LOOPBACK, self.port)

    def use(self, fault: Fault) -> None:
        """From now on."""
        self.fault = fault
        if fault.reset or fault.down:
            for writer in list(self.writers):
                _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault.down:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            _reset(writer)
            return
        self.connections += 1
        pipe = _Pipe(self, random.Random(f"{self.seed}-{self.name}-{self.connections}"), (writer, far_writer))
        self.writers |= {writer, far_writer}
        try:
            await asyncio.gather(
                pipe.copy(reader, far_writer, "out"), pipe.copy(far_reader, writer, "in"), return_exceptions=True
            )
        finally:
            self.writers -= {writer, far_writer}
            for one in (writer, far_writer):
                one.close()


@dataclass
class _Pipe:
    """One connection through a link."""

    link: Link
    chance: random.Random
    ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    carried: int = 0

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        """Carry bytes one way, as the fault of the moment wants it."""
        while data := await reader.read(CHUNK):
            fault = self.link.fault
            if fault.latency:
                await asyncio.sleep(fault.latency * self.chance.uniform(0.5, 1.5))
            if self.link.fault.hole in (way, "both"):
                continue
            self.carried += len(data)
            if fault.limit and self.carried > fault.limit:
                for one in self.ends:
                    _reset(one)
                return
            await self._write(writer, data, fault)
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()

    async def _write(self, writer: asyncio.StreamWriter, data: bytes, fault: Fault) -> None:
        if not fault.slice:
            writer.write(data)
            await writer.drain()
            return
        at = 0
        while at < len(data):
            size = self.chance.randint(1, fault.slice) if at < 512 else CHUNK
            writer.write(data[at : at + size])
            await writer.drain()
            at += size
            await asyncio.sleep(0)


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN (SO_LINGER 0)."""
    raw = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _main(place: str, seed: int, links: Mapping[str, Link]) -> None:
    for link in links.values():
        await link.start()

    async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            command: dict[str, Any] = json.loads(line)
            links[command.pop("link")].use(Fault(**command))
            writer.write(b"ok\n")
            await writer.drain()

    server = await asyncio.start_unix_server(obey, place)
    await server.serve_forever()


class Proxies:
    """The controls. `port(name)` is where a link listens."""

    def __init__(self, place: Path, ports: Mapping[str, int]) -> None:
        self._place = place
        self._ports = ports

    def port(self, name: str) -> int:
        """Where clients of this link connect."""
        return self._ports[name]

    async def use(self, name: str, **fault: Any) -> None:
        """Let a link behave so from now on; without a fault it is healthy."""
        reader, writer = await asyncio.open_unix_connection(str(self._place))
        writer.write(json.dumps({"link": name, **fault}).encode() + b"\n")
        await writer.drain()
        assert await asyncio.wait_for(reader.readline(), 5) == b"ok\n"
        writer.close()

    async def heal(self) -> None:
        """Every link is healthy; what was broken in between stays broken, and is connected again by its users."""
        for name in self._ports:
            await self.use(name)


@asynccontextmanager
async def proxies(folder: Path, seed: int, targets: Mapping[str, int]) -> AsyncIterator[Proxies]:
    """Proxies in front of these ports."""
    place = folder / "proxy.socket"
    ports = dict(zip(targets, free_ports(len(targets)), strict=True))
    links = [f"{name}={ports[name]}:{target}" for name, target in targets.items()]
    command = [sys.executable, "-m", "tests.chaos.proxy", str(place), str(seed), *links]
    root = Path(__file__).parents[2]
    with (folder / "proxy.log").open("wb") as log:
        process = spawn(command, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root)}, output=log)
        try:
            await wait_until(lambda: place.exists() and all(map(port_answers, ports.values())), 10)
            yield Proxies(place, ports)
        finally:
            await kill(process)


def _links(seed: int, words: list[str]) -> dict[str, Link]:
    found: dict[str, Link] = {}
    for word in words:
        name, _, ports = word.partition("=")
        port, _, target = ports.partition(":")
        found[name] = Link(name, int(port), int(target), seed)
    return found


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), _links(int(sys.argv[2]), sys.argv[3:])))
