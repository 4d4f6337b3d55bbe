"""The one place of the command line that reads the environment."""

import os
from collections.abc import Mapping

from shared.runtime.settings import read
from shared.store.settings import StoreSettings


def environment() -> Mapping[str, str]:
    """The environment of this process."""
    return os.environ  # noqa: TID251 - the one place


def store_settings() -> StoreSettings:
    """Where the store is by the environment. Raises ConfigurationError that names each wrong variable."""
    return read(StoreSettings, environment())
