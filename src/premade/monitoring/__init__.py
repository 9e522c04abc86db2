"""Figures from the database, findings, metrics and readiness."""
