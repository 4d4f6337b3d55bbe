"""Reads documents of which some may be illegal: what somebody edited to what none can be is told of and left out.

It must hold up no other; the audit names it.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import structlog

from shared.store.collection import Document

log = structlog.get_logger(__name__)

T = TypeVar("T")


def legible(documents: Iterable[Document], made: Callable[[Document], T]) -> Iterator[T]:
    """What is `made` of each of these ledger documents, but of those that it cannot be made of."""
    for document in documents:
        try:
            yield made(document)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.error("ledger_entry_unreadable", mail_id=str(document["_id"]), error=type(error).__name__)


async def enough(
    limit: int, find: Callable[[int], Awaitable[Sequence[Document]]], made: Callable[[Document], T]
) -> tuple[T, ...]:
    """The first `limit` that can be read of what `find` gives (so many of its documents, in its order).

    One round of it, and more only where illegal ones stand before the others.
    """
    asked = limit
    while True:
        found = await find(asked)
        read = tuple(legible(found, made))
        if len(read) >= limit or len(found) < asked:
            return read[:limit]
        asked *= 2
