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

ORDINARY = frozenset({"new", "attachment", "large"})
"""The kinds of mail by people that have nothing odd about them."""


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

    @property
    def must_be_acknowledged(self) -> bool:
        """Whether its sender must get an answer if it opens a ticket. Who wrote odd mail only may get one."""
        return self.acknowledged and self.kind in ORDINARY


class Oracle:
    """Appends, and syncs, before the world sees the mail."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a+b")
        self._read_to = 0
        self._attempts: dict[str, Injected] = {}
        self._delivered: set[str] = set()

    def attempt(self, one: Injected) -> None:
        """This mail is about to be delivered."""
        self._write({"attempt": asdict(one)})

    def delivered(self, token: str) -> None:
        """It lies in its mailbox."""
        self._write({"delivered": token})

    def read(self) -> tuple[dict[str, Injected], frozenset[str]]:
        """Everything attempted, by token, and the tokens that were delivered for certain."""
        for line in self._new_lines():
            if "attempt" in line:
                one = Injected(**{**line["attempt"], "ends": Ends(line["attempt"]["ends"])})
                self._attempts[one.token] = one
            else:
                self._delivered.add(line["delivered"])
        return dict(self._attempts), frozenset(self._delivered)

    def _new_lines(self) -> Iterator[dict]:
        self._file.seek(self._read_to)
        for line in self._file:
            self._read_to += len(line)
            yield json.loads(line)

    def _write(self, line: dict) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
