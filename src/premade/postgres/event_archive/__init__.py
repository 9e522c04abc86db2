"""The archive: audit events of closed months, moved from the database to compressed files (ADR 48)."""
