"""Which recent subjects the keywords of a service or process would catch, and who takes each, now and with them.

By keyword alone, with the very search of the classifier: a process' conditions on sender and recipient, which need the
whole mail, are not asked (a back-test asks them). Reads only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.classifier.rules.rule import best_of_each, process_keywords, service_keywords
from shared.domain.catalogue import Catalogue, Process, Service
from shared.domain.mailbox import Mailbox
from shared.mail.keywords import KeywordTable, table
from shared.store.client import Store
from shared.store.ledger_queries import Subject

LIMIT: Final = 5_000
USUAL: Final = 500
SHOWN: Final = 50
"""So many subjects are shown for each keyword."""


@dataclass(frozen=True, slots=True)
class Catch:
    """A subject that a keyword stands in. `now` is the service or process that takes it by keyword under the saved
    catalogue, `new` with these keywords; None if none does."""

    mail: Subject
    now: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Caught:
    """What one keyword catches: how many subjects, and the newest of them."""

    keyword: str
    subjects: int
    newest: tuple[Catch, ...]


@dataclass(frozen=True, slots=True)
class Catches:
    """What each keyword catches of so many subjects. `unsearched` are mails of mailboxes that do not look for these."""

    searched: int
    unsearched: int
    keywords: tuple[Caught, ...]


async def catches(store: Store, item: Service | Process, mailbox: str | None = None, last: int = USUAL) -> Catches:
    """What the keywords of a service or process that is not saved would catch of the newest `last` mails."""
    boxes = {one.name: one for one in await store.mailboxes.all()}
    saved = await store.catalogue.load()
    mails = await store.ledger.subjects(None if mailbox is None else [mailbox], last)
    return caught(saved, item, boxes, mails)


def caught(
    saved: Catalogue, item: Service | Process, boxes: Mapping[str, Mailbox], mails: tuple[Subject, ...]
) -> Catches:
    """The same, of these mails. Pure."""
    new, own = _with(saved, item), table(((item.name, item.keywords),))
    searched = [one for one in mails if _looks(boxes.get(one.mailbox), item)]
    found: dict[str, list[Catch]] = {word: [] for word in item.keywords}
    for one in searched:
        hits = own.find(one.subject)
        if hits:
            limit = boxes[one.mailbox].spec.domains.impact_services
            catch = Catch(one, *(_winner(_table(catalogue, item, limit), one.subject) for catalogue in (saved, new)))
            for hit in hits:
                found[hit.keyword.written].append(catch)
    told = tuple(Caught(word, len(several), tuple(several[:SHOWN])) for word, several in found.items())
    return Catches(len(searched), len(mails) - len(searched), told)


def _with(catalogue: Catalogue, item: Service | Process) -> Catalogue:
    """In its place if it is there, otherwise behind the others."""
    part = "services" if isinstance(item, Service) else "processes"
    there: tuple[Service | Process, ...] = getattr(catalogue, part)
    known = any(one.name == item.name for one in there)
    changed = tuple(item if one.name == item.name else one for one in there)
    return catalogue.model_copy(update={part: changed if known else (*changed, item)})


def _looks(mailbox: Mailbox | None, item: Service | Process) -> bool:
    """Whether mail of that mailbox is searched for keywords of this service or process."""
    if mailbox is None:
        return False
    domains = mailbox.spec.domains
    if isinstance(item, Process):
        return domains.allow_process_classification
    limit = domains.impact_services
    return domains.classify_service_by_subject and (not limit or item.name in limit)


def _table(catalogue: Catalogue, item: Service | Process, limit: tuple[str, ...]) -> KeywordTable:
    return service_keywords(catalogue, limit) if isinstance(item, Service) else process_keywords(catalogue)


def _winner(words: KeywordTable, subject: str) -> str | None:
    return next(iter(best_of_each(words.find(subject))), None)
