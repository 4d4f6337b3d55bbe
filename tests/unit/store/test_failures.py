"""Errors of the driver leave the door in our words, with their fate and without any text of a document."""

import traceback
from collections.abc import Callable

import pytest
from bson.errors import InvalidDocument
from pymongo.errors import AutoReconnect, BulkWriteError, DocumentTooLarge, OperationFailure, PyMongoError

from shared.domain.errors import AutomatorError, Permanent, StoreUnavailable
from shared.store.failures import speaking
from tests.support.canary import secret

CANARY = secret("confidential")


def bulk(code: int) -> BulkWriteError:
    return BulkWriteError({"writeErrors": [{"index": 0, "code": code, "errmsg": CANARY, "op": {"text": CANARY}}]})


@pytest.mark.parametrize(
    ("make", "kind", "code"),
    [
        (lambda: AutoReconnect(CANARY), StoreUnavailable, "store_unavailable"),
        (lambda: OperationFailure(CANARY, 18), StoreUnavailable, "store_refused"),
        (lambda: OperationFailure(CANARY, 11602), StoreUnavailable, "store_unavailable"),
        (lambda: OperationFailure(CANARY, 10334), Permanent, "too_large"),
        (lambda: DocumentTooLarge(CANARY), Permanent, "too_large"),
        (lambda: bulk(10334), Permanent, "too_large"),
        (lambda: bulk(64), StoreUnavailable, "store_unavailable"),
        (lambda: InvalidDocument(CANARY), Permanent, "not_storable"),
        (lambda: UnicodeEncodeError("utf-8", CANARY, 0, 1, CANARY), Permanent, "not_storable"),
        (lambda: OverflowError(CANARY), Permanent, "not_storable"),
    ],
)
def test_an_error_of_the_driver_becomes(
    make: Callable[[], PyMongoError], kind: type[AutomatorError], code: str
) -> None:
    with pytest.raises(kind) as caught, speaking("mails"):
        raise make()
    assert (caught.value.code, caught.value.where) == (code, "mails")
    shown = "".join(traceback.format_exception_only(caught.value)) + caught.value.line() + repr(caught.value.args)
    assert CANARY not in shown and caught.value.__suppress_context__


def test_an_error_that_is_not_the_drivers_passes_as_it_is() -> None:
    with pytest.raises(KeyError), speaking("mails"):
        raise KeyError("x")
