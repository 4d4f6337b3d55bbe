"""The one place of the command line that reads the environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.runtime.settings import PREFIX, read
from shared.store.settings import StoreSettings


class PlaceSettings(BaseSettings):
    """Which system is meant, where no option says so."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, hide_input_in_errors=True, extra="ignore")

    data: Path | None = Field(default=None, description="Folder of an all-in-one.")
    store_url: SecretStr | None = None
    broker_url: SecretStr | None = None


LAPTOP_DATA = Path("~/.local/share/mail-automator")
"""Where all-in-one keeps everything unless told otherwise."""


def environment() -> Mapping[str, str]:
    """The environment of this process."""
    return os.environ  # noqa: TID251 - the one place


def store_settings() -> StoreSettings:
    """Where the store is by the environment. Raises ConfigurationError that names each wrong variable."""
    return read(StoreSettings, environment())


def place_settings() -> PlaceSettings:
    """Which system is meant by the environment. Raises ConfigurationError that names each wrong variable."""
    return read(PlaceSettings, environment())
