"""Where the store is, and how secrets in it are protected. Read once, in the app of a service."""

from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024


class StoreSettings(BaseSettings):
    """Where the store is, and the keys of the secrets in it (docs/secrets.md). `key_file` holds the key that new
    secrets are sealed with: 32 bytes, raw or base64; or `key` is that key itself, base64. `old_key_files` (paths) and
    `old_keys` (base64), separated by commas, are keys that only open: name them while a key is being replaced."""

    model_config = SettingsConfigDict(env_prefix="MAIL_AUTOMATOR_STORE_", frozen=True, hide_input_in_errors=True)

    url: SecretStr = Field(
        default=SecretStr("mongodb://127.0.0.1:27017"), description="MongoDB URL; may hold a password."
    )
    database: str = Field(default="mail_automator", min_length=1, max_length=63, pattern=r"^[A-Za-z0-9_-]+$")
    key_file: Path | None = Field(
        default=None, description="File with the 32-byte key for stored secrets (base64 or raw)."
    )
    key: SecretStr | None = Field(default=None, description="The key itself, base64, in place of a file.")
    old_key_files: str = Field(default="", description="Files of keys that only open, separated by commas.")
    old_keys: SecretStr | None = Field(default=None, description="Keys that only open, base64, separated by commas.")
    timeout_seconds: float = Field(default=10, gt=0, description="How long the store may take to answer at all.")
    check_seconds: float = Field(
        default=3600, gt=0, description="How often a running service proves that unique indexes are there and kept."
    )
    raw_inline_max: int = Field(
        default=MEBIBYTE,
        ge=0,
        le=12 * MEBIBYTE,
        description="Raw mail up to this many bytes is one document; above, GridFS.",
    )

    @field_validator("key")
    @classmethod
    def _one_current_key(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if key and info.data.get("key_file") is not None:
            raise ValueError("set either this or MAIL_AUTOMATOR_STORE_KEY_FILE, not both")
        return key
