"""Metrics with a series per mailbox, for however many mailboxes there are.

The first so many mailboxes, by name, have series of their own, the same in every process; the others share one, called
`_other` (no mailbox can be called so). A gauge folds them so that an alert on it still finds the worst of them; a
counter adds them up. Nothing is left out, and the size of /metrics has a bound.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

OTHER: Final = "_other"
MOST: Final = 500
"""Mailboxes with series of their own, if nothing else is said."""

Fold = Callable[[Iterable[float]], float]
Labels = tuple[str, ...]


class Shown:
    """Which mailboxes have series of their own. Until `follow` is called, all have."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._names: frozenset[str] | None = None

    def follow(self, names: Iterable[str]) -> int:
        """These are configured; returns how many of them share a series."""
        found = sorted(set(names))
        self._names = frozenset(found[: self._most])
        return max(0, len(found) - self._most)

    def __contains__(self, mailbox: str) -> bool:
        return self._names is None or mailbox in self._names

    def label(self, mailbox: str) -> str:
        """The mailbox, or what stands for it."""
        return mailbox if mailbox in self else OTHER


@dataclass(frozen=True, slots=True)
class _Value:
    """One series, to be set or added to."""

    values: dict[Labels, float]
    key: Labels

    def set(self, value: float) -> None:
        self.values[self.key] = float(value)

    def inc(self, amount: float = 1) -> None:
        self.values[self.key] = self.values.get(self.key, 0.0) + amount


class _Series(Collector):
    def __init__(
        self, name: str, text: str, labels: tuple[str, ...], shown: Shown, registry: CollectorRegistry | None
    ) -> None:
        self._name, self._text, self._labels, self._shown = name, text, ("mailbox", *labels), shown
        self._values: dict[Labels, float] = {}
        if registry is not None:
            registry.register(self)


class MailboxGauge(_Series):
    """A gauge by mailbox (and more labels). `fold` makes one value of those that share a series."""

    def __init__(
        self,
        name: str,
        text: str,
        labels: tuple[str, ...],
        shown: Shown,
        registry: CollectorRegistry | None,
        fold: Fold,
    ) -> None:
        super().__init__(name, text, labels, shown, registry)
        self._fold = fold

    def labels(self, mailbox: str, *more: str) -> _Value:
        """The series of a mailbox."""
        return _Value(self._values, (mailbox, *more))

    def remove(self, mailbox: str, *more: str) -> None:
        """Forget what begins with these labels: nobody speaks for it here any more."""
        start = (mailbox, *more)
        for key in [one for one in self._values if one[: len(start)] == start]:
            del self._values[key]

    def show(self, values: Mapping[Labels, float]) -> None:
        """Exactly these, by labels, the mailbox first; whatever was there before is forgotten."""
        self._values.clear()
        self._values.update(values)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name and kind, for the registry."""
        yield GaugeMetricFamily(self._name, self._text, labels=self._labels)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The series as they are now."""
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        folded: dict[Labels, list[float]] = {}
        for key, value in list(self._values.items()):
            if key[0] in self._shown:
                family.add_metric(key, value)
            else:
                folded.setdefault((OTHER, *key[1:]), []).append(value)
        for key, values in folded.items():
            family.add_metric(key, self._fold(values))
        yield family


class MailboxCounter(_Series):
    """A counter by mailbox (and more labels). That of a deleted mailbox goes with it."""

    def labels(self, mailbox: str, *more: str) -> _Value:
        """The series of a mailbox."""
        return _Value(self._values, (self._shown.label(mailbox), *more))

    def describe(self) -> Iterable[CounterMetricFamily]:
        """Name and kind, for the registry."""
        yield CounterMetricFamily(self._name, self._text, labels=self._labels)

    def collect(self) -> Iterable[CounterMetricFamily]:
        """The series as they are now."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for key, value in list(self._values.items()):
            if key[0] == OTHER or key[0] in self._shown:
                family.add_metric(key, value)
        yield family
