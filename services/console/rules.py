"""The rules that a mail is tried under, saved or not, and the one way to try it. Changes nothing."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.console.configuration.documents import Documents
from services.console.configuration.plan import Current, outlook
from services.console.trial import Letter, Trial, attempt, unjudged
from services.filter.parser_pool import ParserPool
from services.ticket_writer.lookups import look_up
from services.ticket_writer.ports import Books
from shared.domain.catalogue import Catalogue
from shared.domain.mailbox import Mailbox
from shared.domain.marks import Marks
from shared.store.client import Store


@dataclass(frozen=True, slots=True)
class Rules:
    """Mailboxes by name, the catalogue, every address that is read here (`own`), and the keys of our marks."""

    mailboxes: Mapping[str, Mailbox]
    catalogue: Catalogue
    own: frozenset[str]
    marks: Marks


async def saved(store: Store) -> Rules:
    """The rules of now."""
    boxes = {one.name: one for one in await store.mailboxes.all()}
    return rules_of(boxes, await store.catalogue.load(), await store.mark_keys.marks())


def rules_of(mailboxes: Mapping[str, Mailbox], catalogue: Catalogue, marks: Marks) -> Rules:
    """The rules that these mailboxes and this catalogue make."""
    own = frozenset(address for one in mailboxes.values() for address in one.spec.addresses)
    return Rules(mailboxes, catalogue, own, marks)


def unsaved(saved: Rules, documents: Documents, *, whole_catalogue: bool = False) -> Rules:
    """The rules as these documents would leave them; the catalogue is only theirs if it is meant as a whole.

    Raises ConfigurationProblems: a name nobody has.
    """
    old = Catalogue(revision=saved.catalogue.revision) if whole_catalogue else saved.catalogue
    mailboxes, catalogue = outlook(Current(saved.mailboxes, old), documents)
    return rules_of(mailboxes, catalogue, saved.marks)


async def tried(books: Books, rules: Rules, letter: Letter) -> Trial:
    """What would become of a mail, by the code of production, with what the books say around it."""
    known = await look_up(books, rules.marks, [unjudged(letter)])
    return attempt(letter, rules.catalogue, rules.own, rules.marks, known)


@asynccontextmanager
async def parsing() -> AsyncGenerator[ParserPool]:
    """A parser process for a while: a mail that is tried may be the one that kills its parser."""
    pool = ParserPool(1)
    try:
        yield pool
    finally:
        await pool.close()
