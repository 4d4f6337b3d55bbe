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


def usage(roots: Iterable[int]) -> Usage:
    """Of these processes and everything below them."""
    family = set(roots)
    parents = _parents()
    grown = True
    while grown:
        children = {pid for pid, parent in parents.items() if parent in family} - family
        family |= children
        grown = bool(children)
    figures = [_one(pid) for pid in family]
    return Usage(sum(one[0] for one in figures), sum(one[1] for one in figures))


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


def _one(pid: int) -> tuple[float, float]:
    fields = _stat(pid)
    if not fields:
        return 0.0, 0.0
    try:
        status = (Path("/proc") / str(pid) / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        status = ""
    peak = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
    return sum(int(one) for one in fields[11:15]) / TICK, peak / 1024
