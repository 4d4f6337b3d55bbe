"""Where the store is, and how secrets in it are protected. Read once, in the app of a service."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024


class StoreSettings(BaseSettings):
    """Settings of the store (environment prefix MAIL_AUTOMATOR_STORE_)."""

    model_config = SettingsConfigDict(env_prefix="MAIL_AUTOMATOR_STORE_", frozen=True, hide_input_in_errors=True)

    url: SecretStr = Field(
        default=SecretStr("mongodb://127.0.0.1:27017"), description="MongoDB URL; may hold a password."
    )
    database: str = Field(default="mail_automator", min_length=1, max_length=63, pattern=r"^[A-Za-z0-9_-]+$")
    key_file: Path | None = Field(
        default=None, description="File with the 32-byte key for stored secrets (base64 or raw)."
    )
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
