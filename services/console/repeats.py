"""Which mail another one repeats: looked up without claiming anything in the store."""

from collections.abc import Collection, Sequence
from datetime import datetime

from services.filter.fingerprints import keys, needed
from shared.domain.decision import Reason
from shared.domain.email import Email
from shared.domain.ledger import LedgerEntry
from shared.domain.mailbox import Mailbox
from shared.domain.marks import Marks
from shared.store.client import Store
from shared.store.fingerprints import Claim, Owner, settled


async def original_of(
    store: Store, mailbox: Mailbox, email: Email, marks: Marks, *, mail_id: str = "", at: datetime | None = None
) -> str | None:
    """The mail_id of the mail that this one would repeat if it were delivered now, or had been at an instant; None if
    it repeats none, or nobody minds. A mail that is in the books already, `mail_id`, does not repeat itself."""
    claims = claims_of(mailbox, email, marks, mail_id, at or await store.server_time())
    owners = await store.fingerprints.among([one.key for one in claims]) if claims else {}
    return next((found for one in claims if (found := _owner(one, owners.get(one.key))) != mail_id), None)


def claims_of(mailbox: Mailbox, email: Email, marks: Marks, mail_id: str, at: datetime) -> tuple[Claim, ...]:
    """What the filter claims for a mail that passed, in its order; nothing where nobody minds repeats."""
    if not needed(mailbox):
        return ()
    found = keys(mailbox.name, email, answers_ours=bool(marks.of(email)))
    return tuple(Claim(key=one.key, mail_id=mail_id, at=at, window=one.window(mailbox)) for one in found)


def _owner(claim: Claim, owner: Owner | None) -> str:
    return claim.mail_id if owner is None else settled(claim, owner)[0]


class Claims:
    """Fingerprints as the mails of a back-test claim them, one after the other: what those before it claimed, and where
    they did not, what the store has of mails that are not tried. `tried` are the mails that are."""

    def __init__(self, store: Store, tried: Collection[str]) -> None:
        self._store = store
        self._tried = set(tried)
        self._owners: dict[str, Owner] = {}

    def stands(self, mail_id: str) -> None:
        """A mail is not tried after all: what it claimed in the store counts."""
        self._tried.discard(mail_id)

    async def original_of(self, claims: Sequence[Claim], entry: LedgerEntry) -> str | None:
        """The mail_id of the mail that the claimant repeats; None if it repeats none."""
        await self._recall(claims, entry)
        lost = (_owner(one, self._owners.get(one.key)) for one in claims)
        return next((owner for owner in lost if owner != entry.mail_id), None)

    def take(self, claims: Sequence[Claim]) -> None:
        """Claim for a mail that passed: as far as the first fingerprint that is another's, as the filter does."""
        for one in claims:
            owner = self._owners.get(one.key)
            if owner is None or settled(one, owner) == (one.mail_id, True):
                self._owners[one.key] = Owner(one.mail_id, one.at)
            elif settled(one, owner)[0] != one.mail_id:
                return

    async def _recall(self, claims: Sequence[Claim], entry: LedgerEntry) -> None:
        """Take over from the store who owns these; where a later mail took its place since, the trace tells who did."""
        unknown = [one.key for one in claims if one.key not in self._owners]
        found = await self._store.fingerprints.among(unknown) if unknown else {}
        self._owners |= {key: one for key, one in found.items() if one.mail_id not in self._tried}
        told = repeated(entry)
        if told is None or told in self._tried or any(one.mail_id == told for one in found.values()):
            return
        original = await self._store.ledger.get(told)
        if original is not None:
            at = original.origin.internal_date
            windowed = (one.key for one in claims if one.window is not None)
            self._owners |= {key: Owner(told, at) for key in windowed if key not in self._owners}


def repeated(entry: LedgerEntry) -> str | None:
    """The mail that a mail repeated when it was decided, as its trace tells."""
    steps = (step for step in entry.trace if step.rule == Reason.DUPLICATE_OF.value)
    return next((of for step in steps if (of := step.looked_at.get("duplicate_of"))), None)
