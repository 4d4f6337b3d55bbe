"""Access tokens from identity servers: the only door to msal. Must never let a secret or token into a text or log."""
