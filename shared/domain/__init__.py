"""Frozen values of the field: mailbox, catalogue, email, decision, ticket. Pure: no driver, clock or log."""
