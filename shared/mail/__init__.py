"""Raw bytes to a normalised email, and the small arts around it: addresses, subjects, charsets, HTML. Pure."""
