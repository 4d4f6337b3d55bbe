"""Passwords of the console's own users: which are good enough, and how they are kept (argon2id, RFC 9106)."""

import asyncio
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr

from shared.domain.errors import Permanent

SHORTEST = 12
LONGEST = 200
_AT_ONCE = 2
"""Each check takes 64 MiB and some 50 ms of a core: a flood of them must not take the machine."""


class Passwords:
    """Makes and checks hashes, in worker threads."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._nobody = _nobody()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: SecretStr) -> str:
        """What is kept of a password."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password.get_secret_value())

    async def fits(self, hashed: str, password: SecretStr) -> bool:
        """Whether that is the password. Without a hash it is not, after the same work: time tells nobody who exists."""
        async with self._turns:
            right = await asyncio.to_thread(self._verify, hashed or self._nobody, password.get_secret_value())
        return right and bool(hashed)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False


@cache
def _nobody() -> str:
    """The hash that is checked where there is none: of a password that nobody knows, the process's own."""
    return PasswordHasher().hash(secrets.token_urlsafe(32))


def check(password: SecretStr, name: str) -> None:
    """Raises Permanent for a password that is too short, too long, or the name (NIST SP 800-63B, 5.1.1.2)."""
    text = password.get_secret_value()
    if len(text) < SHORTEST:
        raise _weak(f"the password needs at least {SHORTEST} characters", "several words in a row are easy to keep")
    if len(text) > LONGEST or "\0" in text:
        raise _weak(f"the password may have at most {LONGEST} characters", "choose a shorter one")
    if name and text.casefold() in (name.casefold(), name.casefold() * 2):
        raise _weak("the password must not be the name", "choose another one")


def _weak(what: str, remedy: str) -> Permanent:
    return Permanent(what, where="password", remedy=remedy, code="password_refused")
