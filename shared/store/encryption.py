"""Secrets at rest: AES-256-GCM with a key from a file. Never logs, never shows a secret or a key."""

import base64
import binascii
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from shared.domain.errors import ConfigurationError

KEY_BYTES = 32
_NONCE_BYTES = 12
_MAKE = "make one with `mail-automator store key FILE` and set MAIL_AUTOMATOR_STORE_KEY_FILE"


class SecretBox:
    """Seals secrets so that each opens only with this key and only in the place it was sealed for."""

    def __init__(self, key_id: str, key: bytes) -> None:
        self.key_id = key_id
        self._cipher = AESGCM(key)

    def seal(self, plain: SecretStr, binding: str) -> dict[str, str]:
        """The secret, encrypted; `binding` (AEAD associated data) must be the same to open it. Values are base64."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, plain.get_secret_value().encode(), binding.encode())
        return {
            "key_id": self.key_id,
            "binding": fingerprint(binding),
            "nonce": base64.b64encode(nonce).decode("ascii"),
            "sealed": base64.b64encode(sealed).decode("ascii"),
        }

    def open(self, sealed: dict[str, str], binding: str) -> SecretStr:
        """The secret. Raises ConfigurationError if it was sealed with another key, or for another host or user."""
        if sealed["key_id"] != self.key_id:
            raise ConfigurationError(
                f"a stored secret was sealed with key {sealed['key_id']}, but the key file holds {self.key_id}",
                remedy="put the old key file back, or give the secret again",
                code="secret_key_missing",
            )
        nonce, text = base64.b64decode(sealed["nonce"]), base64.b64decode(sealed["sealed"])
        try:
            return SecretStr(self._cipher.decrypt(nonce, text, binding.encode()).decode())
        except InvalidTag:
            raise rebind() from None


def rebind(where: str = "") -> ConfigurationError:
    """The error for a stored secret that does not belong to the host and user it is wanted for."""
    return ConfigurationError(
        "the stored password belongs to another host/user: give it again", where=where, code="secret_bound_elsewhere"
    )


def fingerprint(binding: str) -> str:
    """What is kept of a binding, so that a changed one is seen without the key."""
    return hashlib.sha256(binding.encode()).hexdigest()


def load_key(path: Path) -> SecretBox:
    """The box of the key in a file: 32 raw bytes, or their base64. Raises ConfigurationError."""
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
    return SecretBox(hashlib.sha256(b"key-id\x00" + key).hexdigest()[:16], key)


def _decoded(content: bytes) -> bytes:
    try:
        return base64.b64decode(content.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""


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


class Vault:
    """The box of the configured key file, opened when a secret is first needed."""

    def __init__(self, key_file: Path | None) -> None:
        self._key_file = key_file
        self._box: SecretBox | None = None

    def box(self) -> SecretBox:
        """The box. Raises ConfigurationError without a usable key file."""
        if self._key_file is None:
            raise ConfigurationError(
                "no key file is set, so secrets cannot be stored", remedy=_MAKE, code="key_file_missing"
            )
        if self._box is None:
            self._box = load_key(self._key_file)
        return self._box

    def seal(self, plain: SecretStr, binding: str) -> dict[str, str]:
        """As SecretBox.seal. Raises ConfigurationError without a usable key file."""
        return self.box().seal(plain, binding)

    def open(self, sealed: dict[str, str], binding: str) -> SecretStr:
        """As SecretBox.open. Raises ConfigurationError without a usable key file."""
        return self.box().open(sealed, binding)
