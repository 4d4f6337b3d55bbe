"""Takes a process the right to open sockets, for good: a seccomp filter that itself sets (seccomp(2), bpf(4)).

It needs no privilege (`no_new_privs`), adds to what a container runtime filters already, and holds for child processes
too. Where the kernel or the machine does not do it, an audit hook of Python refuses sockets instead: that stops code
that is led astray, not code that is not Python.
"""

import ctypes
import errno
import platform
import struct
import sys
from dataclasses import dataclass

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
LOAD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, ANSWER = 0x20, 0x15, 0x35, 0x06
"""BPF: load a word; jump on equal, and on at least; return."""
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
NUMBER, ARCHITECTURE = 0, 4
"""Where the number of a system call and the architecture stand (struct seccomp_data)."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """The constant of its architecture (linux/audit.h), the numbers of the calls that open or move sockets and of
    io_uring, which would do so by itself, and from which number on calls are of another architecture (x32)."""

    architecture: int
    calls: tuple[int, ...]
    foreign: int


_MACHINES = {
    # socket, connect, accept, sendto, sendmsg, bind, listen, socketpair, accept4, sendmmsg, io_uring_setup
    "x86_64": _Machine(0xC000003E, (41, 42, 43, 44, 46, 49, 50, 53, 288, 307, 425), 0x40000000),
    "aarch64": _Machine(0xC00000B7, (198, 203, 202, 206, 211, 200, 201, 199, 242, 269, 425), 0x40000000),
}


def forbid_sockets() -> bool:
    """From now on no socket is opened in this process. True if the kernel sees to it, False if only Python does."""
    sys.addaudithook(_refuse)
    machine = _MACHINES.get(platform.machine())
    return machine is not None and sys.platform == "linux" and _set_filter(_program(machine))


def _refuse(event: str, _: tuple[object, ...]) -> None:
    if event.startswith("socket."):
        raise PermissionError(errno.EACCES, "a parser process opens no socket")


def _program(machine: _Machine) -> bytes:
    """Refuse calls of another architecture and those of the list; allow all others."""
    count = len(machine.calls)
    steps = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_IF_EQUAL, 0, count + 3, machine.architecture),
        (LOAD, 0, 0, NUMBER),
        (JUMP_IF_AT_LEAST, count + 1, 0, machine.foreign),
        *((JUMP_IF_EQUAL, count - at, 0, call) for at, call in enumerate(machine.calls)),
        (ANSWER, 0, 0, ALLOW),
        (ANSWER, 0, 0, REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


class _Filter(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def _set_filter(program: bytes) -> bool:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    given = _Filter(len(program) // 8, program)
    return prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(given), 0, 0) == 0
