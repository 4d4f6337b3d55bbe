"""Secrets at rest: each under a data key of its own, which is wrapped by a key of the keyring (envelope encryption).

Changing the key re-wraps data keys and touches no secret. Never logs, never shows a secret or a key.
"""

import base64
import hashlib
import os
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from shared.domain.errors import ConfigurationError
from shared.store.keys import KEY_BYTES, NONCE_BYTES, Key, Keyring

FORM = "envelope-1"
"""The form of what is stored. Another one is refused, never guessed at."""

Sealed = dict[str, Any]
"""A secret at rest, as it is stored: `form`, `key_id`, `key_nonce`, `data_key` (wrapped), `binding` (a fingerprint of
it), `nonce`, `secret`; bytes are base64. Other fields are none of ours and stay as they are."""


class Vault:
    """Seals secrets so that each opens only with its key, and only in the place it was sealed for."""

    def __init__(self, keys: Keyring) -> None:
        self.keys = keys

    def seal(self, plain: SecretStr, binding: str) -> Sealed:
        """The secret under a new data key; `binding` (AEAD associated data) must be the same to open it.

        Raises ConfigurationError without a usable current key.
        """
        data_key, nonce = AESGCM.generate_key(KEY_BYTES * 8), os.urandom(NONCE_BYTES)
        secret = AESGCM(data_key).encrypt(nonce, plain.get_secret_value().encode(), binding.encode())
        sealed = {"form": FORM, "binding": fingerprint(binding), "nonce": _text(nonce), "secret": _text(secret)}
        return sealed | _wrapped(self.keys.current(), data_key, sealed["binding"])

    def open(self, sealed: Mapping[str, Any], binding: str) -> SecretStr:
        """The secret. Raises ConfigurationError if its key is not there, if it was sealed for another place, or if
        what is stored is no sealed secret of ours."""
        data_key = self._data_key(sealed)
        if not fits(sealed, binding):
            raise ConfigurationError(
                "the stored secret was given for another server or user",
                remedy="give it again",
                code="secret_bound_elsewhere",
            )
        nonce, secret = _bytes(sealed, "nonce"), _bytes(sealed, "secret")
        try:
            return SecretStr(AESGCM(data_key).decrypt(nonce, secret, binding.encode()).decode())
        except (InvalidTag, ValueError):
            raise _unreadable() from None

    def rewrap(self, sealed: Sealed) -> Sealed:
        """The same secret with its data key under the current key; unchanged if it is there already.

        Proves in both cases that the data key can be unwrapped. Raises ConfigurationError.
        """
        data_key, current = self._data_key(sealed), self.keys.current()
        if sealed["key_id"] == current.key_id:
            return sealed
        return {**sealed, **_wrapped(current, data_key, sealed["binding"])}

    def _data_key(self, sealed: Mapping[str, Any]) -> bytes:
        if sealed.get("form") != FORM:
            raise _unreadable("is not of the form that this version reads")
        key_id, nonce, wrapped = str(sealed.get("key_id")), _bytes(sealed, "key_nonce"), _bytes(sealed, "data_key")
        key = self.keys.key(key_id)
        try:
            return key.unwrap(nonce, wrapped, _about(key_id, str(sealed.get("binding"))))
        except (InvalidTag, ValueError):
            raise _unreadable() from None


def fits(sealed: Mapping[str, Any], binding: str) -> bool:
    """Whether it was sealed for this place, as far as can be said without a key."""
    return sealed.get("binding") == fingerprint(binding)


def fingerprint(binding: str) -> str:
    """What is kept of a binding, so that a changed one is seen without the key."""
    return hashlib.sha256(binding.encode()).hexdigest()


def _wrapped(key: Key, data_key: bytes, bound: str) -> dict[str, str]:
    nonce, wrapped = key.wrap(data_key, _about(key.key_id, bound))
    return {"key_id": key.key_id, "key_nonce": _text(nonce), "data_key": _text(wrapped)}


def _about(key_id: str, bound: str) -> bytes:
    """What a wrapping is bound to: every field that is not encrypted itself."""
    return "\x1f".join((FORM, key_id, bound)).encode()


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes(sealed: Mapping[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(sealed[name], validate=True)
    except (KeyError, TypeError, ValueError):
        raise _unreadable() from None


def _unreadable(why: str = "is damaged or was altered") -> ConfigurationError:
    return ConfigurationError(
        f"a stored secret {why}",
        remedy="give the secret again, or restore the store from a backup",
        code="secret_unreadable",
    )
