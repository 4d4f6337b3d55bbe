"""A parser process: reads raw mails on standard input, writes normalised ones on standard output, and nothing else.

Frames: four bytes of length, big-endian, then the payload; a raw mail in, the JSON of its Email out (empty if it could
not be written). The first frame out is `ready`. One mail at a time, each with its own CPU limit; a mail that breaks
the limits kills this process, and the pool sees it. Ends when its parent does (end of input).
Must never open a connection, write a file or log mail text. The kernel refuses both.
"""

import os
import resource
import signal
import struct
import sys
from typing import BinaryIO

from services.filter.no_sockets import forbid_sockets
from shared.mail.parse import parse
from shared.runtime.garbage import collect_rarely

LENGTH = struct.Struct(">I")
READY = b"ready"
MAX_MEMORY = 512 * 1024 * 1024
MAX_CPU_SECONDS = 20
MAX_FILES = 32
"""Open files, the pipes and modules that are imported late among them."""
OUT_OF_MEMORY = 3
"""Exit status when even the outermost frame has no memory left."""


def main(niceness: int) -> None:
    """Serve until the input ends, at this much lower a priority."""
    os.nice(niceness)
    _confine()
    collect_rarely()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _write(sink, READY)
    while (raw := _read(source)) is not None:
        _limit_cpu()
        _write(sink, _answer(raw))


def _confine() -> None:
    """Limit memory, files and cores. Signals to the group are left to the parent: it ends us by closing our input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_FILES, MAX_FILES))
    forbid_sockets()


def _limit_cpu() -> None:
    """Allow the next mail so many CPU seconds; beyond them the kernel sends SIGXCPU, which kills."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + MAX_CPU_SECONDS
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _answer(raw: bytes) -> bytes:
    try:
        return parse(raw).model_dump_json(exclude_defaults=True).encode()
    except ValueError:
        return b""


def _read(source: BinaryIO) -> bytes | None:
    """The next payload, or None at the end of the input."""
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    size = LENGTH.unpack(head)[0]
    payload = source.read(size)
    return payload if len(payload) == size else None


def _write(sink: BinaryIO, payload: bytes) -> None:
    sink.write(LENGTH.pack(len(payload)))
    sink.write(payload)
    sink.flush()


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except BrokenPipeError:
        sys.exit(0)
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
