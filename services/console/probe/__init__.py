"""Test connection: what an administrator sees before a mailbox is saved, step by step. Only reads."""
