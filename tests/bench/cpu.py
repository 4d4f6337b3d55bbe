"""CPU seconds and peak memory of processes and all below them, from /proc."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """CPU seconds (user and system, with reaped children) and the sum of peak resident memory in MiB."""

    seconds: float
    peak_mib: float


def usage(roots: Iterable[int], *, children: bool = True) -> Usage:
    """Of these processes and everything below them; without `children`, of them alone."""
    family = set(roots)
    parents = _parents() if children else {}
    while below := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= below
    figures = [_one(pid, reaped=children) for pid in family]
    return Usage(sum(one[0] for one in figures), sum(one[1] for one in figures))


def resident(pids: Iterable[int]) -> float:
    """MiB of resident memory at this moment, of these processes alone."""
    return sum(_kibibytes(pid, "VmRSS") for pid in pids) / 1024


def difference(after: Mapping[str, Usage], before: Mapping[str, Usage]) -> dict[str, Usage]:
    """What was used between two looks, by name."""
    nothing = Usage(0, 0)
    return {name: Usage(now.seconds - before.get(name, nothing).seconds, now.peak_mib) for name, now in after.items()}


def _parents() -> dict[int, int]:
    found: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            found[int(folder.name)] = int(fields[1])
    return found


def _stat(pid: int) -> list[str]:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _one(pid: int, *, reaped: bool) -> tuple[float, float]:
    fields = _stat(pid)
    if not fields:
        return 0.0, 0.0
    return sum(int(one) for one in fields[11 : 15 if reaped else 13]) / TICK, _kibibytes(pid, "VmHWM") / 1024


def _kibibytes(pid: int, name: str) -> int:
    try:
        status = (Path("/proc") / str(pid) / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith(name)), 0)
