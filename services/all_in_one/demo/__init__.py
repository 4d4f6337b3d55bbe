"""The demonstration: a private mail server, varied mails, and the table of what became of them."""
