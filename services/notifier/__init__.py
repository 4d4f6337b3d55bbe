"""ticket.created -> an acknowledgement to the requester by SMTP: at most one, never to a machine, never in a loop."""
