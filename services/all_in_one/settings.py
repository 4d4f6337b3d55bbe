"""Settings of the laptop mode, and what of the environment its services are given."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.runtime.settings import PREFIX

PIPELINE: Final = ("fetcher", "filter", "classifier", "ticket_writer", "notifier", "bookkeeper", "console")
"""Every service there is to start, in the order a mail meets them; the console meets none."""

ONE_EACH: Final[Mapping[str, int]] = dict.fromkeys(PIPELINE, 1)

OWN: Final = tuple(f"{PREFIX}{part}" for part in ("ALL_IN_ONE_", "ALLOW_INSTALL", "DATA", "TEST_", "ADMIN_"))
"""Settings of ours that are none of the services' business."""


class LaptopSettings(BaseSettings):
    """Where things are. A broker or store that is given by URL is used; otherwise a private one is started."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, hide_input_in_errors=True, extra="ignore")

    data: Path = Field(default=Path("~/.local/share/mail-automator"), description="Everything is under this folder.")
    allow_install: bool = Field(default=True, description="May install missing Debian packages, when root.")
    broker_url: SecretStr | None = None
    store_url: SecretStr | None = None
    store_database: str = "mail_automator"
    store_key_file: Path | None = None
    console_port: int | None = Field(default=None, ge=1, le=65535, description="By default 8080 if that is free.")
    store_key: SecretStr | None = None


class AllInOneSettings(BaseSettings):
    """How the services are run. `services` is how many of each (JSON, for example `{"filter": 2}`; one by default)."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}ALL_IN_ONE_", frozen=True, hide_input_in_errors=True)

    services: dict[str, int] = Field(default_factory=dict[str, int])
    ready_seconds: float = Field(default=60, gt=0)
    drain_seconds: float = Field(default=20, ge=0)

    @property
    def replicas(self) -> dict[str, int]:
        """How many of each service, in pipeline order."""
        return {**ONE_EACH, **self.services}


def environment() -> dict[str, str]:
    """The environment of this process, for those that it starts."""
    return dict(os.environ)  # noqa: TID251 - the one place of the laptop mode


def handed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """What the services see of it: all but our own settings (secrets of mailboxes may be in any variable)."""
    return {name: value for name, value in environ.items() if not name.startswith(OWN)}
