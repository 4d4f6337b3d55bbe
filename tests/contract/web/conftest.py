"""The running console, with a user of each role."""

from tests.support.console_fixtures import console, empty

__all__ = ["console", "empty"]
