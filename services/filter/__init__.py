"""email.fetched -> email.accepted, or the decision "rejected": parses mails and applies the mailbox's rules."""
