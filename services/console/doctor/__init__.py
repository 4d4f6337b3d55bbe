"""Looks at a whole system: a list of checks for people, and a bundle of facts, without anybody's data, for support."""
