"""Keeps the books: re-publishes unfinished mail, relays outboxes, balances the ledger."""
