"""Backups made by pg_dump, and their restore by pg_restore. Both are verified against a manifest.

The manifest is a file beside the dump. It has the number of rows and a digest of each table, as they were in the snapshot
that pg_dump read (ADR 41).
"""
