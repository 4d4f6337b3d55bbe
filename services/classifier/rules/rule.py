"""What a classification rule is. Each fills in one part of the classification and says why; none fetches anything."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from shared.domain.catalogue import Catalogue
from shared.domain.decision import Classification, Step, Verdict
from shared.domain.email import Email
from shared.domain.mailbox import Domains
from shared.mail.keywords import Hit, KeywordTable, table

STAGE = "classifier"

Choose = Callable[[Email, Domains, Catalogue, Classification], tuple[Classification, Step]]
"""(mail, the mailbox's Domains tab, catalogue, what the rules before chose) -> (with this rule's part, why)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its name, its text for people, its choice."""

    name: str
    about: str | None
    choose: Choose

    @property
    def title(self) -> str:
        """The first line of its text."""
        return (self.about or self.name).strip().partition("\n")[0]


def step(rule: str, verdict: Verdict, sentence: str, **looked_at: str) -> Step:
    """A line of the trace. `looked_at` holds the few values that decided."""
    return Step(stage=STAGE, rule=rule, verdict=verdict, sentence=sentence, looked_at=looked_at)


class _Same:
    """A catalogue as a cache key: the same object, not an equal one, so that looking it up costs nothing."""

    __slots__ = ("catalogue",)

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def __hash__(self) -> int:
        return id(self.catalogue)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.catalogue is self.catalogue


def service_keywords(catalogue: Catalogue, limit: tuple[str, ...]) -> KeywordTable:
    """The keywords of the services of the catalogue; of those in `limit` only, if it is not empty."""
    return _service_keywords(_Same(catalogue), limit)


def process_keywords(catalogue: Catalogue) -> KeywordTable:
    """The keywords of the processes of the catalogue."""
    return _process_keywords(_Same(catalogue))


@lru_cache(maxsize=256)
def _service_keywords(key: _Same, limit: tuple[str, ...]) -> KeywordTable:
    services = key.catalogue.services
    return table(tuple((one.name, one.keywords) for one in services if not limit or one.name in limit))


@lru_cache(maxsize=8)
def _process_keywords(key: _Same) -> KeywordTable:
    return table(tuple((one.name, one.keywords) for one in key.catalogue.processes))


def best_of_each(hits: tuple[Hit, ...]) -> dict[str, Hit]:
    """The best hit of each owner, owners in the order of their best hits. `hits` are best first."""
    best: dict[str, Hit] = {}
    for hit in hits:
        best.setdefault(hit.keyword.owner, hit)
    return best


def named(hits: dict[str, Hit]) -> str:
    """Hits for people: `hr-service (Payroll), vpn (Access)`."""
    return ", ".join(f"{owner} ({hit.keyword.written})" for owner, hit in hits.items())
