"""Fixtures of the IMAP contract tests."""

from tests.support.dovecot import dovecot

__all__ = ["dovecot"]
