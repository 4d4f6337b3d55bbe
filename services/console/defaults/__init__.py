"""Use Default: where the mail servers of a mail address usually are, as data."""
