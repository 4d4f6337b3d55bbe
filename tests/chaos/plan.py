"""The file of the crash plan: which points are armed, and which of them have struck."""

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class CrashPlan:
    """Lines by point. Each process reads the file at its start, so a line counts for those that start after it."""

    file: Path
    lines: dict[str, str] = field(default_factory=dict)
    quarantined: set[str] = field(default_factory=set)
    """The mails, by mail_id, that a provocation puts into quarantine."""

    def arm(self, point: str, hit: int = 1, *, stop: bool = False) -> Path:
        """Arm a point; the marker appears when it strikes."""
        marker = self.file.with_suffix(f".{point}.{hit}{'.stop' if stop else ''}")
        marker.unlink(missing_ok=True)
        self.lines[point] = f"{point}:{hit}:{marker}{':stop' if stop else ''}"
        self._write()
        return marker

    def disarm(self, point: str) -> None:
        """For processes that start from now on."""
        self.lines.pop(point, None)
        self._write()

    def _write(self) -> None:
        new = self.file.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in self.lines.values()))
        new.replace(self.file)


def let_go_on(pids: list[int]) -> None:
    """What a point has stopped goes on; for the others it means nothing."""
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
