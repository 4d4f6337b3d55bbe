"""Access tokens on behalf of people who signed in, kept in the store with what renews them.

A renewal may replace the refresh token, and the old one may be worth nothing from then on. So the new one is stored,
confirmed, before the access token that came with it is handed out; one process renews at a time; and a renewal that was
begun is carried to its end, whoever stops waiting for it. Only a crash between the server's answer and the store costs
a person another sign-in.
"""

import asyncio
import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog
from pydantic import SecretStr

from shared.domain.errors import Transient
from shared.domain.mailbox import Mailbox
from shared.domain.sign_in import Lack, OpenSignIn, SignIn
from shared.oauth.authorities import Authorities
from shared.oauth.door import PATIENCE, Answer, Asked, Cache, Door, access_tokens, empty_cache
from shared.oauth.errors import ProviderUnavailable, SignInNeeded
from shared.oauth.tokens import EARLY, Clock, lifetime
from shared.oauth.values import Application, Token
from shared.observability.crash_points import crash_point

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.2
"""How often to look whether another process has renewed."""
LONGEST_PAUSE = 5.0
CLOSE_SECONDS = 15.0
"""How long an end waits for renewals that are on their way."""


class SignIns(Protocol):
    """Where sign-ins are kept. All but `open` are compare-and-set on `rev`. Raises StoreUnavailable."""

    async def open(self, mailbox: Mailbox) -> SignIn: ...
    async def claim(self, mailbox: str, rev: int) -> bool: ...
    async def release(self, mailbox: str, rev: int) -> None: ...
    async def renew(self, mailbox: Mailbox, rev: int, cache: SecretStr) -> bool: ...
    async def refuse(self, mailbox: Mailbox, rev: int, lack: Lack) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Wish:
    """What somebody wants a token for."""

    mailbox: Mailbox
    application: Application
    anyway: bool

    @property
    def where(self) -> str:
        return f"mailbox {self.mailbox.name}, {self.application.authority}"


@dataclass(frozen=True, slots=True)
class _Running:
    """A wish that is being fulfilled."""

    wish: _Wish
    task: "asyncio.Task[Token]"


class DelegatedTokens:
    """The tokens of people. Whoever asks for the same mailbox meanwhile waits for the same answer."""

    def __init__(self, authorities: Authorities, clock: Clock, sign_ins: SignIns, timeout: float = 10) -> None:
        self._door = Door(authorities, timeout)
        self._clock = clock
        self._sign_ins = sign_ins
        self._running: dict[str, _Running] = {}
        self._refused: dict[str, SecretStr] = {}
        self._closing = False

    async def token(self, mailbox: Mailbox, application: Application, *, anyway: bool = False) -> Token:
        """A token that is good for a while.

        `anyway`: ask the identity server even if it is known to have refused this sign-in; for a person who tests.
        Raises SignInNeeded where only a sign-in helps (without asking again what was refused), and what
        `MicrosoftTokens.application_token` raises.
        """
        wish = _Wish(mailbox, application, anyway)
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(await self._task(wish))
        except TimeoutError:
            raise ProviderUnavailable("the access token was not renewed in time", where=wish.where) from None

    def forget(self, mailbox: str, token: Token) -> None:
        """The mail server refuses this token: the next one is another."""
        self._refused[mailbox] = token.secret

    async def close(self) -> None:
        """Take no more work, and let renewals that are on their way be stored."""
        self._closing = True
        if tasks := {one.task for one in self._running.values()}:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
        self._door.close()

    async def _task(self, wish: _Wish) -> "asyncio.Task[Token]":
        name = wish.mailbox.name
        while (running := self._running.get(name)) is not None:
            if running.wish == wish:
                return running.task
            await asyncio.wait({running.task})
        task = asyncio.create_task(self._obtained(wish), name=f"token {name}")
        self._running[name] = _Running(wish, task)
        task.add_done_callback(functools.partial(self._ended, name))
        return task

    def _ended(self, name: str, task: "asyncio.Task[Token]") -> None:
        self._running.pop(name, None)
        if not task.cancelled():
            task.exception()  # perhaps nobody waits for it any more

    async def _obtained(self, wish: _Wish) -> Token:
        while not self._closing:
            found = await self._sign_ins.open(wish.mailbox)
            if not isinstance(found, OpenSignIn) or (found.lack is not None and not wish.anyway):
                raise _needed(found, wish.where)
            kept = self._kept(wish, found)
            if kept is not None and found.lack is None and self._clock.now() < kept.expires_at - EARLY:
                return kept
            claimed = await self._sign_ins.claim(wish.mailbox.name, found.rev)
            crash_point("oauth.after_claim")
            if claimed:
                token = await self._renewed(wish, found, kept)
                if token is not None:
                    return token
            else:
                await asyncio.sleep(LOOK_SECONDS)
        raise ProviderUnavailable("this process is stopping", where=wish.where)

    def _kept(self, wish: _Wish, found: OpenSignIn) -> Token | None:
        """The token that the last renewal brought, unless the mail server has refused it."""
        newest = max(access_tokens(_loaded(found)), key=lambda one: int(one["expires_on"]), default=None)
        if newest is None or SecretStr(newest["secret"]) == self._refused.get(wish.mailbox.name):
            return None
        until = datetime.fromtimestamp(int(newest["expires_on"]), UTC)
        return Token(SecretStr(newest["secret"]), until, fresh=False)

    async def _renewed(self, wish: _Wish, found: OpenSignIn, kept: Token | None) -> Token | None:
        """A new token, stored; None if the sign-in is another one by now, or somebody else has renewed it."""
        try:
            token, cache = await self._ask(wish, found)
        except SignInNeeded as error:
            lack = Lack(code=error.code, sentence=error.what, remedy=error.remedy)
            refused = await self._sign_ins.refuse(wish.mailbox, found.rev, lack)
            crash_point("oauth.after_refusal")
            if refused:
                raise
            return None
        except ProviderUnavailable:
            await self._given_back(wish, found.rev)
            if kept is not None and self._clock.now() < kept.expires_at:
                return kept
            raise
        except Exception:
            await self._given_back(wish, found.rev)
            raise
        return token if await self._stored(wish, found.rev, cache) else None

    async def _given_back(self, wish: _Wish, rev: int) -> None:
        await self._sign_ins.release(wish.mailbox.name, rev)
        crash_point("oauth.after_release")

    async def _ask(self, wish: _Wish, found: OpenSignIn) -> tuple[Token, SecretStr]:
        application = wish.application.public if found.public else wish.application
        asked = self._door.asked(application, wish.where, delegated=True)
        cache, now = _loaded(found), self._clock.now()
        answer = await self._door.run(lambda: _refresh(asked, cache), wish.where, patience=None)
        secret = answer.get("access_token")
        if not isinstance(secret, str):
            raise asked.refusal(answer) if "error" in answer else asked.senseless()
        return Token(SecretStr(secret), now + lifetime(answer), fresh=True), SecretStr(cache.serialize())

    async def _stored(self, wish: _Wish, rev: int, cache: SecretStr) -> bool:
        """Whatever it takes: what is lost here, a person must make good."""
        pause = LOOK_SECONDS
        while True:
            try:
                stored = await self._sign_ins.renew(wish.mailbox, rev, cache)
            except Transient as error:
                log.warning("renewed_sign_in_not_stored", mailbox=wish.mailbox.name, error=error.line())
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                crash_point("oauth.after_renewal")
                return stored


def _refresh(asked: Asked, cache: Cache) -> Answer:
    """msal's answer: a token or an error. Blocks."""
    with asked.client(cache) as client:
        for account in client.get_accounts():
            scopes = asked.place.delegated_scopes
            return client.acquire_token_silent_with_error(scopes, account, force_refresh=True) or _NOTHING_TO_ASK_WITH
        return _NOTHING_TO_ASK_WITH


_NOTHING_TO_ASK_WITH: Answer = {"error": "invalid_grant"}


def _loaded(found: OpenSignIn) -> Cache:
    cache = empty_cache()
    cache.deserialize(found.cache.get_secret_value())
    return cache


def _needed(found: SignIn, where: str) -> SignInNeeded:
    lack = found.lack or Lack(sentence="somebody must sign in", remedy="")
    return SignInNeeded(lack.sentence, where=where, remedy=lack.remedy, code=lack.code)
