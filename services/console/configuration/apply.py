"""Brings the store to what documents say: gathers, lets `plan.decide` think, and carries the plan out.

Safe to repeat after any failure: what was done is then unchanged, what was not is done.
"""

import hmac

from pydantic import SecretStr

from services.console.configuration.documents import Documents
from services.console.configuration.plan import EVERYTHING, Current, Plan, decide, is_stored
from services.console.configuration.selector import Selector
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox, split_secrets
from shared.store.client import Store


async def plan(store: Store, documents: Documents, *, prune: bool = False, selector: Selector = EVERYTHING) -> Plan:
    """What would change. Raises ConfigurationProblems if the documents and the store do not fit together."""
    mailboxes = {one.name: one for one in await store.mailboxes.all()}
    catalogue = await store.catalogue.load()
    same = await _same_secrets(store, mailboxes, documents)
    return decide(Current(mailboxes, catalogue, same), documents, prune=prune, selector=selector)


async def apply(store: Store, todo: Plan) -> None:
    """Carry a plan out: first the catalogue that mailboxes refer to, then mailboxes, then deletions.

    Raises store Conflict if somebody changed or created the same thing since the plan was made.
    """
    if todo.catalogue is not None:
        await store.catalogue.save(todo.catalogue)
    for write in todo.writes:
        await store.mailboxes.put(write.mailbox, write.secrets, create=write.create)
    for name in todo.deletes:
        await store.mailboxes.delete(name)


async def _same_secrets(
    store: Store, mailboxes: dict[str, Mailbox], documents: Documents
) -> frozenset[tuple[str, str]]:
    same: set[tuple[str, str]] = set()
    for document in documents.mailboxes:
        old = mailboxes.get(document.name)
        for name, secret in split_secrets(document.spec)[1].items():
            if old is not None and await _equals_stored(store, old, name, secret):
                same.add((document.name, name))
    return frozenset(same)


async def _equals_stored(store: Store, mailbox: Mailbox, name: str, given: SecretStr) -> bool:
    part, _, field = name.partition(".")
    if not is_stored(mailbox.spec, part, field):
        return False
    try:
        kept = await store.secrets.reveal(mailbox, name)
    except ConfigurationError:
        return False
    return hmac.compare_digest(kept.get_secret_value().encode(), given.get_secret_value().encode())
