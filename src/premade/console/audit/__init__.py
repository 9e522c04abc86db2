"""Search in the audit record."""
