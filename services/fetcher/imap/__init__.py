"""The IMAP door: the only importer of aioimaplib."""
