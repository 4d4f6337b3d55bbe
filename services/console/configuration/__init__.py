"""Configuration as code: YAML documents to domain values, the plan that brings the store to them, and back."""
