"""Logs, the metric catalogue, and the redaction that both go through."""
