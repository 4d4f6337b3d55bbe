"""email.classified -> the decision ticket, reply or duplicate, and the events it owes."""
