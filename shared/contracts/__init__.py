"""The messages between stages and the events for subscribers: versioned, frozen, with one codec. Pure."""
