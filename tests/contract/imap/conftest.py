"""Fixtures of the IMAP contract tests."""

from tests.support.embedded_store import clock, store, store_settings, store_url

__all__ = ["clock", "store", "store_settings", "store_url"]
