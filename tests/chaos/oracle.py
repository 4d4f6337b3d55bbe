"""The oracle: what was injected and how it must end, one JSON line each, on disk before the mail is delivered.

It knows nothing of what the system did. Attempted and not delivered (the harness itself was killed) is told apart by a
second line.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path


class Ends(StrEnum):
    """How a mail must end."""

    TICKET = "ticket"
    REPLY = "reply"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    ANY = "any"
    """Any one of the others: what it is depends on when the mail meets the fault, and all are right."""


@dataclass(frozen=True)
class Injected:
    """One mail: its token stands in header and body. `of` is the token of the mail it answers or repeats; `sender` who
    may get an answer, if not the address that bears the token."""

    token: str
    mailbox: str
    kind: str
    ends: Ends
    sha256: str
    acknowledged: bool = False
    of: str = ""
    sender: str = ""


class Oracle:
    """Appends, and syncs, before the world sees the mail."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a+b")

    def attempt(self, one: Injected) -> None:
        """This mail is about to be delivered."""
        self._write({"attempt": asdict(one)})

    def delivered(self, token: str) -> None:
        """It lies in its mailbox."""
        self._write({"delivered": token})

    def read(self) -> tuple[dict[str, Injected], frozenset[str]]:
        """Everything attempted, by token, and the tokens that were delivered for certain."""
        attempts: dict[str, Injected] = {}
        delivered: set[str] = set()
        for line in self._lines():
            if "attempt" in line:
                one = Injected(**{**line["attempt"], "ends": Ends(line["attempt"]["ends"])})
                attempts[one.token] = one
            else:
                delivered.add(line["delivered"])
        return attempts, frozenset(delivered)

    def _lines(self) -> Iterator[dict]:
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)

    def _write(self, line: dict) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
