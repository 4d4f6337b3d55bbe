"""The keys that wrap secrets at rest: from files, or from the environment. Never logs, never shows a key.

One key is current: it wraps what is sealed from now on. Old ones only open. A key has an id, which is stored beside
what it wrapped, so that several can be in use at once and everybody can see which are still needed.
"""

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from shared.domain.errors import ConfigurationError
from shared.store.settings import StoreSettings

KEY_BYTES = 32
NONCE_BYTES = 12
FILE_SETTING = "MAIL_AUTOMATOR_STORE_KEY_FILE"
TEXT_SETTING = "MAIL_AUTOMATOR_STORE_KEY"
OLD_FILES_SETTING = "MAIL_AUTOMATOR_STORE_OLD_KEY_FILES"
OLD_TEXTS_SETTING = "MAIL_AUTOMATOR_STORE_OLD_KEYS"
_MAKE = f"make one with `mail-automator secrets key FILE` and set {FILE_SETTING}"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Key:
    """A key-encryption key (AES-256-GCM)."""

    key_id: str
    _cipher: AESGCM = field(repr=False)

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The key of 32 bytes. Its id says nothing about it."""
        return cls(hashlib.sha256(b"key-id\x00" + content).hexdigest()[:16], AESGCM(content))

    def wrap(self, data_key: bytes, about: bytes) -> tuple[bytes, bytes]:
        """A nonce, and the data key under this key; `about` must be the same to unwrap it."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce, self._cipher.encrypt(nonce, data_key, about)

    def unwrap(self, nonce: bytes, wrapped: bytes, about: bytes) -> bytes:
        """The data key. Raises InvalidTag or ValueError if anything was altered."""
        return self._cipher.decrypt(nonce, wrapped, about)


Source = Callable[[], Key]
"""Reads a key anew. Raises ConfigurationError."""


def from_file(path: Path) -> Key:
    """The key in a file: 32 raw bytes, or their base64. Raises ConfigurationError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the key file cannot be read ({error.strerror})", where=str(path), remedy=_MAKE, code="key_file_unreadable"
        ) from None
    key = content if len(content) == KEY_BYTES else _decoded(content)
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            "the key file does not hold a 32-byte key", where=str(path), remedy=_MAKE, code="key_file_invalid"
        )
    return Key.of(key)


def from_text(text: SecretStr, variable: str) -> Key:
    """The key that stands in a variable, base64. Raises ConfigurationError."""
    key = _decoded(text.get_secret_value().encode())
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            "the variable does not hold a 32-byte key in base64",
            where=variable,
            remedy="make one with `head -c 32 /dev/urandom | base64`",
            code="key_invalid",
        )
    return Key.of(key)


def _decoded(content: bytes) -> bytes:
    try:
        return base64.b64decode(content.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""


class Keyring:
    """The keys of this process. What was read once stays readable, also when its file is gone or replaced."""

    def __init__(self, current: Source | None, old: tuple[Source, ...] = ()) -> None:
        self._source = current
        self._old = old
        self._current: Key | None = None
        self._known: dict[str, Key] = {}

    @classmethod
    def of(cls, settings: StoreSettings) -> Self:
        """The keys that the settings name. Nothing is read yet."""
        return cls(_current_source(settings), tuple(_old_sources(settings)))

    def current(self) -> Key:
        """The key that seals, read anew: a file that was replaced under a running process counts at once. While it
        cannot be read, the last one serves: what must be stored now (a rotated refresh token) would be lost.

        Raises ConfigurationError without a usable key.
        """
        if self._source is None:
            raise ConfigurationError(
                "no key is set, so secrets cannot be stored", remedy=_MAKE, code="key_file_missing"
            )
        try:
            self._current = self._source()
        except ConfigurationError as error:
            if self._current is None:
                raise
            log.warning("key_unreadable", error=error.line(), sealed_with=self._current.key_id)
        self._known[self._current.key_id] = self._current
        return self._current

    def key(self, key_id: str) -> Key:
        """The key of that id. If it is not known, all are read again first: mounted files change under a process.

        Raises ConfigurationError.
        """
        problems = [] if key_id in self._known else self.read()
        if key_id in self._known:
            return self._known[key_id]
        failed = "".join(f"; {one.what} ({one.where})" for one in problems)
        raise ConfigurationError(
            f"a stored secret is under key {key_id}, which is not among the keys that can be read{failed}",
            remedy=f"name the file of that key in {OLD_FILES_SETTING}, or give the secret again",
            code="secret_key_missing",
        )

    def read(self) -> list[ConfigurationError]:
        """Read all keys; returns what was wrong with those that cannot be read."""
        problems: list[ConfigurationError] = []
        for source in (*((self._source,) if self._source else ()), *self._old):
            try:
                key = source()
            except ConfigurationError as error:
                problems.append(error)
            else:
                self._known[key.key_id] = key
        return problems


def _current_source(settings: StoreSettings) -> Source | None:
    path, text = settings.key_file, settings.key
    if path is not None:
        return lambda: from_file(path)
    return (lambda: from_text(text, TEXT_SETTING)) if text else None


def _old_sources(settings: StoreSettings) -> Iterator[Source]:
    for path in _listed(settings.old_key_files):
        yield lambda path=path: from_file(Path(path))
    for text in _listed(settings.old_keys.get_secret_value() if settings.old_keys else ""):
        yield lambda text=text: from_text(SecretStr(text), OLD_TEXTS_SETTING)


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def create_key_file(path: Path) -> None:
    """Write a new random key, base64, readable by its owner only. Raises ConfigurationError if there is a file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"the key file cannot be made ({error.strerror})", where=str(path), code="key_file_unwritable"
        ) from None
    with os.fdopen(handle, "wb") as file:
        file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
