"""What the driver raises, in our own words. No text of a document, no credential leaves the door in an error."""

from collections.abc import Generator
from contextlib import contextmanager

from bson.errors import BSONError
from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure, PyMongoError

from shared.domain.errors import Permanent, StoreUnavailable

_REFUSED = frozenset({13, 18, 8000})
"""Unauthorized, AuthenticationFailed, AtlasError (MongoDB error codes)."""

_OVERSIZE = frozenset({10334, 17280, 17419, 17420})
"""BSONObjectTooLarge, KeyTooLong, and what an update that grows too much gets (MongoDB error codes)."""


class Conflict(Permanent):
    """Somebody else changed it first: read it again and decide anew."""

    code = "conflict"


@contextmanager
def speaking(where: str) -> Generator[None]:
    """Translate what the driver raises inside. `where` is the collection or the server.

    Raises StoreUnavailable if the server did not answer or did not confirm, Permanent if a value cannot be stored.
    """
    try:
        yield
    except DocumentTooLarge:
        raise _too_large(where) from None
    except (BSONError, UnicodeError, OverflowError) as error:
        what = f"a value cannot be stored ({type(error).__name__})"
        raise Permanent(what, where=where, code="not_storable") from None
    except PyMongoError as error:
        raise (_too_large(where) if _codes(error) & _OVERSIZE else _unavailable(error, where)) from None


def _codes(error: PyMongoError) -> frozenset[int]:
    if isinstance(error, BulkWriteError):
        return frozenset(int(one.get("code", 0)) for one in error.details.get("writeErrors", []))
    return frozenset({error.code}) if isinstance(error, OperationFailure) and error.code else frozenset()


def _too_large(where: str) -> Permanent:
    return Permanent("a document is larger than the store takes (16 MiB)", where=where, code="too_large")


def _unavailable(error: PyMongoError, where: str) -> StoreUnavailable:
    if isinstance(error, OperationFailure) and error.code in _REFUSED:
        remedy = "check user, password and roles in MAIL_AUTOMATOR_STORE_URL"
        return StoreUnavailable("the store refused the credentials", where=where, remedy=remedy, code="store_refused")
    code = f", code {error.code}" if isinstance(error, OperationFailure) and error.code else ""
    return StoreUnavailable(f"the store did not answer or did not confirm ({type(error).__name__}{code})", where=where)
