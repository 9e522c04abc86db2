"""The archive: compressed files with the audit events of closed months, which are no longer in the database (ADR 48)."""
