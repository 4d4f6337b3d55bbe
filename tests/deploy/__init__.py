"""The deployment: what is in deploy/, checked without a cluster."""
