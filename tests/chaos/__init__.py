"""Faults on purpose: mail is delivered, parts are broken, and afterwards the books are held against an oracle."""
