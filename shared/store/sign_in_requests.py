"""Sign-ins that a person has been asked for and that are not done yet (collection `sign_in_requests`).

Of the link, the state and the browser's cookie only hashes are kept; what msal must remember is sealed. In the store,
so that any replica of the console can answer the next step.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from shared.domain.value import Value
from shared.store.collection import Collection, Database, Document, changed, milliseconds
from shared.store.encryption import Vault
from shared.store.ports import Clock

VALID = timedelta(minutes=10)
_KEY_LENGTH = 64


class SignInRequest(Value):
    """Who asked for a sign-in to which mailbox, and until when it can be done. `key` is no secret.

    `revision` is the mailbox's that the person saw before the browser was sent away; 0 before that.
    """

    key: str
    mailbox: str
    by: str
    until: datetime
    revision: int = 0


class SignInRequests:
    """The requests. Expired ones are never found, and are deleted with the next one that is made."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._collection = Collection(database, "sign_in_requests")
        self._vault = vault
        self._clock = clock

    async def make(self, mailbox: str, by: str) -> tuple[SignInRequest, SecretStr]:
        """A new request, and the secret part of its link: the only time anyone sees it."""
        now = self._clock.now()
        await self._collection.delete({"until_ms": {"$lt": milliseconds(now)}})
        link = secrets.token_urlsafe(32)
        made = {"mailbox": mailbox, "by": by, "until_ms": milliseconds(now + VALID), "revision": 0}
        document = {"_id": _hash(link), **made, "state": None, "browser": None, "flow": None}
        await self._collection.insert(document)
        return _request(document), SecretStr(link)

    async def by_link(self, link: str) -> SignInRequest | None:
        """The request that a link leads to."""
        return await self._valid(_hash(link))

    async def begin(self, request: SignInRequest, revision: int, state: str, browser: str, flow: SecretStr) -> bool:
        """Send this browser on its way. Whoever was on the way before for this request can no longer come back."""
        sealed = self._vault.seal(flow, _binding(request))
        fields = {"revision": revision, "state": _hash(state), "browser": _hash(browser), "flow": sealed}
        return await self._collection.update({"_id": request.key}, changed(fields))

    async def take(self, state: str, browser: str) -> tuple[SignInRequest, SecretStr] | None:
        """The request whose browser comes back with this state, and what msal remembers; each state serves once.

        None for a state that is unknown, used or expired, and for another browser, which uses nothing up.
        """
        key = state[:_KEY_LENGTH]
        request, document = await self._valid(key), await self._collection.get(key)
        if request is None or document is None or not _same(document, {"state": state, "browser": browser}):
            return None
        if not await self._collection.update({"_id": key, "state": document["state"]}, changed({"state": None})):
            return None
        return request, self._vault.open(document["flow"], _binding(request))

    async def done(self, request: SignInRequest) -> None:
        """It served its purpose: the link leads nowhere any more."""
        await self._collection.delete({"_id": request.key})

    async def _valid(self, key: str) -> SignInRequest | None:
        document = await self._collection.get(key)
        found = _request(document) if document else None
        return found if found is not None and self._clock.now() < found.until else None


def new_state(request: SignInRequest) -> str:
    """A state that leads back to a request and cannot be guessed."""
    return f"{request.key}{secrets.token_urlsafe(32)}"


def _same(document: Document, given: Mapping[str, str]) -> bool:
    """Whether all that is given is what was hashed."""
    return all(hmac.compare_digest(str(document[name]), _hash(value)) for name, value in given.items())


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def _binding(request: SignInRequest) -> str:
    return f"sign_in_request\x1f{request.key}"


def _request(document: Document) -> SignInRequest:
    until = datetime.fromtimestamp(document["until_ms"] / 1000, UTC)
    fields: dict[str, Any] = {name: document[name] for name in ("mailbox", "by", "revision")}
    return SignInRequest(key=document["_id"], until=until, **fields)
