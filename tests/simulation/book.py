"""What really happens in a simulation, seen from outside: connections, leases, who was connected when.

Checks at every change that nobody is granted a mailbox, or connects to it, while somebody else is connected, and that
tokens grow. What breaks that is in `broken`: whoever broke it would not mind an exception.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tests.simulation.virtual_time import elapsed


class Book:
    """`reader` is who is connected to a mailbox now. Times are seconds of virtual time."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self.reader: dict[str, str] = {}
        self.wanted: dict[str, float] = {}
        self.last_reader: dict[str, str] = {}
        self._left_at: dict[str, float] = {}
        self._connections: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()
        self._leases: dict[str, Mapping[str, Any]] = {}
        self.begin()

    def begin(self) -> None:
        """A new event: what is counted per event starts anew."""
        self.began = elapsed() if self.reader else 0.0
        self.sign_ins: Counter[int] = Counter()
        self.moves: Counter[str] = Counter()
        self.longest_gap = 0.0
        self.most_of_mailbox = max(self._connections.values(), default=0)
        self.most_of_host = max(self._hosts.values(), default=0)
        self.changed_at = self.began

    def want(self, mailboxes: Iterable[str]) -> None:
        """These are configured from now on, and no others."""
        at, before = elapsed(), self.wanted
        self.wanted = {name: before.get(name, at) for name in mailboxes}

    def connected(self, mailbox: str, host: str, fetcher: str) -> None:
        """A fetcher has connected."""
        self._connections[mailbox] += 1
        self._hosts[host] += 1
        self.most_of_mailbox = max(self.most_of_mailbox, self._connections[mailbox])
        self.most_of_host = max(self.most_of_host, self._hosts[host])
        self._alone(mailbox, fetcher, "connects to it")
        if (lease := self._leases[mailbox])["holder"] != fetcher:
            self._break(f"{fetcher} connects to {mailbox}, which {lease['holder']} holds")
        self.sign_ins[int(elapsed())] += 1
        self.reader[mailbox] = fetcher
        if self.last_reader.get(mailbox, fetcher) != fetcher:
            self.moves[mailbox] += 1
            self.changed_at = elapsed()
        self.last_reader[mailbox] = fetcher
        self._gap_ends(mailbox)

    def left(self, mailbox: str, host: str) -> None:
        """The connection is gone."""
        self._connections[mailbox] -= 1
        self._hosts[host] -= 1
        if not self._connections[mailbox]:
            del self.reader[mailbox]
        self._left_at[mailbox] = elapsed()

    def written(self, collection: str, _: Mapping[str, Any] | None, after: Mapping[str, Any]) -> None:
        """The store's document of a mailbox was changed."""
        if collection != "mailbox_runtime":
            return
        name, lease, before = after["_id"], after["lease"], self._leases.get(after["_id"])
        self._leases[name] = lease
        if before is None or lease is before:
            return
        if lease["token"] < before["token"]:
            self._break(f"the token of {name} went back to {lease['token']}")
        if lease["holder"] != before["holder"]:
            if lease["holder"] and lease["token"] == before["token"]:
                self._break(f"{name} has a new holder under the old token")
            self._alone(name, lease["holder"], "is granted it" if lease["holder"] else "")

    def unread(self) -> int:
        """How many mailboxes that are wanted nobody is connected to."""
        return sum(1 for name in self.wanted if name not in self.reader)

    def shares(self) -> Counter[str]:
        """Connections of each fetcher that has any."""
        return Counter(self.reader.values())

    def gap(self) -> float:
        """The longest time within the event that a mailbox had nobody, one that has nobody still included."""
        at = elapsed()
        open_gaps = (at - self._since(name) for name in self.wanted if name not in self.reader)
        return max(self.longest_gap, max(open_gaps, default=0.0))

    def _break(self, what: str) -> None:
        self.broken.append(f"{elapsed():.2f} s: {what}")

    def _gap_ends(self, mailbox: str) -> None:
        if mailbox in self.wanted:
            self.longest_gap = max(self.longest_gap, elapsed() - self._since(mailbox))

    def _since(self, mailbox: str) -> float:
        return max(self._left_at.get(mailbox, 0.0), self.wanted[mailbox])

    def _alone(self, mailbox: str, fetcher: str, what: str) -> None:
        other = self.reader.get(mailbox)
        if what and other not in (None, fetcher):
            self._break(f"{fetcher} {what}, {mailbox}, while {other} is connected")


def least_moves(before: Mapping[str, str], wanted: Collection[str], live: Collection[str]) -> int:
    """How many mailboxes must change hands at least, whatever the algorithm: those whose reader is gone, and what the
    others have above an equal share. `before` are the readers before the event; a mailbox that is new is no move."""
    known = [before[name] for name in wanted if name in before]
    held = Counter(reader for reader in known if reader in live)
    most = math.ceil(len(wanted) / max(1, len(live)))
    return len(known) - sum(held.values()) + sum(max(0, count - most) for count in held.values())
