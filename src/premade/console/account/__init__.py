"""Signing in and out, and the member's own account."""
