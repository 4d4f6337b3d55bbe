"""Questions about processes, answered from /proc: who is alive, whose child, in which session."""

from pathlib import Path


def session_of(pid: int) -> int:
    """The session of a process (proc(5), stat field 6). Our children lead one each, so it names them and theirs."""
    return int(_stat(pid)[3])


def alive(*sessions: int) -> list[int]:
    """Process ids in these sessions that really run: a zombie that waits for init is gone."""
    return [pid for pid, fields in _all() if fields[0] != "Z" and int(fields[3]) in sessions]


def is_alive(pid: int) -> bool:
    """Whether this process runs (a zombie does not)."""
    try:
        return _stat(pid)[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def stands_still(pid: int) -> bool:
    """Whether a process is stopped by a signal, with all its threads (proc(5), state T): on a busy machine some go on
    for a moment after SIGSTOP was sent."""
    return all(_fields(one / "stat")[0] == "T" for one in Path(f"/proc/{pid}/task").iterdir())


def descendants(pid: int) -> list[int]:
    """All living processes below this one."""
    parents = {child: int(fields[1]) for child, fields in _all() if fields[0] != "Z"}
    found, frontier = list[int](), {pid}
    while frontier:
        frontier = {child for child, parent in parents.items() if parent in frontier}
        found += sorted(frontier)
    return found


def _all() -> list[tuple[int, list[str]]]:
    found: list[tuple[int, list[str]]] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append((int(entry.name), _stat(int(entry.name))))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def _stat(pid: int) -> list[str]:
    return _fields(Path(f"/proc/{pid}/stat"))


def _fields(stat: Path) -> list[str]:
    """state, ppid, pgrp, session, ... : the fields after the name, which may hold spaces and brackets."""
    return stat.read_text().rpartition(")")[2].split()
