"""Mailbox -> email.fetched: reads IMAP accounts and makes their mails ours, durably, before anything else."""
