"""Signing in to mail servers: SASL mechanisms as values, without any connection. The only importer of pyspnego."""
