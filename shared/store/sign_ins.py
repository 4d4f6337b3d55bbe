"""People's sign-ins to Microsoft (collection `sign_ins`), one per mailbox: msal's token cache, sealed, and whose it is.

Every write is a compare-and-set on `rev`, but a new sign-in, which always wins. A `rev` is never used twice, not even
after a sign-in was forgotten. Nothing here knows what is inside the cache.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import SecretStr

from shared.domain.bindings import sign_in_binding
from shared.domain.mailbox import Mailbox
from shared.domain.sign_in import Lack, OpenSignIn, SignIn, elsewhere, nobody
from shared.store.collection import Collection, Database, Document, changed, milliseconds
from shared.store.config import Config
from shared.store.counters import Counters
from shared.store.encryption import Vault, fingerprint
from shared.store.ports import Clock

CLAIM = timedelta(seconds=45)
"""How long one process may take to renew a sign-in before another one tries."""


class SignIns:
    """The sign-ins."""

    def __init__(
        self,
        database: Database,
        config: Config,
        vault: Vault,
        clock: Clock,
        server_time: Callable[[], Awaitable[datetime]],
    ) -> None:
        self._collection = Collection(database, "sign_ins")
        self._revs = Counters(database)
        self._config = config
        self._vault = vault
        self._clock = clock
        self._server_time = server_time

    async def state(self, mailbox: Mailbox) -> SignIn:
        """How a mailbox is signed in."""
        document = await self._collection.get(mailbox.name)
        return _state(mailbox, document) if document else nobody(mailbox)

    async def states(self, mailboxes: Iterable[Mailbox]) -> dict[str, SignIn]:
        """How each mailbox that needs a person's sign-in is signed in, by name."""
        wanted = [one for one in mailboxes if one.spec.delegated is not None]
        found = {one["_id"]: one for one in await self._collection.find({}, without=("sealed",))} if wanted else {}
        return {one.name: _state(one, found[one.name]) if one.name in found else nobody(one) for one in wanted}

    async def open(self, mailbox: Mailbox) -> SignIn:
        """The state, and unless it is for another server, user or application also the cache (an OpenSignIn).

        Raises ConfigurationError without the key that it was sealed with.
        """
        document = await self._collection.get(mailbox.name)
        if document is None:
            return nobody(mailbox)
        state, binding = _state(mailbox, document), sign_in_binding(mailbox.spec, mailbox.name)
        if document["binding"] != fingerprint(binding):
            return state
        return OpenSignIn(**state.model_dump(), cache=self._vault.open(document["sealed"], binding))

    def check_key(self) -> None:
        """Raise ConfigurationError if nothing could be sealed: before a person signs in for nothing."""
        self._vault.seal(SecretStr("x"), "check")

    async def put(self, mailbox: Mailbox, cache: SecretStr, *, account: str, by: str, public: bool) -> SignIn:
        """Keep a new sign-in, whatever was there before."""
        rev = await self._revs.take("sign_in")
        who = {"account": account, "by": by, "at": self._clock.now()}
        fields = {**self._sealed(mailbox, cache, rev), "first_rev": rev, "public": public, "signed_in": who}
        while not await self._collection.update({"_id": mailbox.name}, changed(fields)):
            if await self._collection.insert({"_id": mailbox.name, **fields}):
                break
        await self._config.bump()
        return await self.state(mailbox)

    async def claim(self, mailbox: str, rev: int) -> bool:
        """Whether the caller is the one who renews this sign-in now: every other process waits for the result."""
        now = await self._server_time()
        free = {"_id": mailbox, "rev": rev, "busy_ms": {"$lt": milliseconds(now - CLAIM)}}
        return await self._collection.update(free, changed({"busy_ms": milliseconds(now)}))

    async def release(self, mailbox: str, rev: int) -> None:
        """Give the claim back: nothing came of it."""
        await self._collection.update({"_id": mailbox, "rev": rev}, changed({"busy_ms": 0}))

    async def renew(self, mailbox: Mailbox, rev: int, cache: SecretStr) -> bool:
        """Keep the renewed cache; False, and nothing written, if the sign-in is another one by now."""
        fields = self._sealed(mailbox, cache, await self._revs.take("sign_in"))
        return await self._collection.update({"_id": mailbox.name, "rev": rev}, changed(fields))

    async def refuse(self, mailbox: Mailbox, rev: int, lack: Lack) -> bool:
        """Remember that this sign-in works no more, until it or the mailbox changes; False if it is another one."""
        refused = {"revision": mailbox.revision, **lack.model_dump()}
        fields = {"refused": refused, "busy_ms": 0}
        return await self._collection.update({"_id": mailbox.name, "rev": rev}, changed(fields))

    async def forget(self, mailbox: str) -> bool:
        """Forget a sign-in; False if there is none."""
        forgotten = await self._collection.delete({"_id": mailbox}) > 0
        if forgotten:
            await self._config.bump()
        return forgotten

    def _sealed(self, mailbox: Mailbox, cache: SecretStr, rev: int) -> Mapping[str, Any]:
        binding = sign_in_binding(mailbox.spec, mailbox.name)
        sealed = self._vault.seal(cache, binding)
        return {"sealed": sealed, "binding": fingerprint(binding), "rev": rev, "busy_ms": 0, "refused": None}


def _state(mailbox: Mailbox, document: Document) -> SignIn:
    who = document["signed_in"]
    return SignIn(
        account=who["account"],
        by=who["by"],
        signed_in_at=who["at"],
        rev=document["rev"],
        first_rev=document["first_rev"],
        public=document["public"],
        lack=_lack(mailbox, document),
    )


def _lack(mailbox: Mailbox, document: Document) -> Lack | None:
    if document["binding"] != fingerprint(sign_in_binding(mailbox.spec, mailbox.name)):
        return elsewhere(mailbox)
    refused = document["refused"]
    if refused is None or refused["revision"] != mailbox.revision:
        return None
    return Lack(**{name: refused[name] for name in Lack.model_fields})
