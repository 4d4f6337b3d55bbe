"""Which mail another one repeats: looked up without claiming anything."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.console.trial import Original
from services.filter.fingerprints import FingerprintKey, keys, needed
from shared.domain.email import Email
from shared.domain.mailbox import Mailbox
from shared.domain.marks import Marks
from shared.store.client import Store


async def original_of(
    store: Store, mailbox: Mailbox, email: Email, marks: Marks, *, mail_id: str = "", at: datetime | None = None
) -> Original | None:
    """The mail that this one would repeat if it were delivered now, or had been at an instant; None if it repeats none,
    or nobody minds. A mail that is in the books already, `mail_id`, does not repeat itself."""
    if not needed(mailbox):
        return None
    wanted = {one.key: one for one in keys(mailbox.name, email, answers_ours=bool(marks.of(email)))}
    now = at or await store.server_time()
    found = {one["_id"]: one["owner"] for one in await store.collection("fingerprints").find(_among(wanted))}
    for key, one in wanted.items():
        if key in found and found[key]["mail_id"] != mail_id and _counts(one, mailbox, found[key], now):
            return await _booked(store, str(found[key]["mail_id"]))
    return None


def _among(wanted: Mapping[str, FingerprintKey]) -> dict[str, Any]:
    return {"_id": {"$in": list(wanted)}}


def _counts(key: FingerprintKey, mailbox: Mailbox, owner: Mapping[str, Any], now: datetime) -> bool:
    window = key.window(mailbox)
    at: datetime = owner["at"]
    return window is None or abs(now - at) <= window


async def _booked(store: Store, mail_id: str) -> Original:
    entry = await store.ledger.get(mail_id)
    return Original(mail_id, entry.decision.number if entry is not None and entry.decision is not None else None)
