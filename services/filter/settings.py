"""How the filter works."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class FilterSettings(BaseSettings):
    """Messages held, mails per batch, and parser processes (0: one per core)."""

    model_config = SettingsConfigDict(env_prefix="MAIL_AUTOMATOR_FILTER_", frozen=True, hide_input_in_errors=True)

    window: int = Field(default=300, ge=1, le=2000)
    batch: int = Field(default=100, ge=1, le=500)
    parsers: int = Field(default=0, ge=0, le=64)
