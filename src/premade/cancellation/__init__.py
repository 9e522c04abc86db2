"""Cancellation of tickets: one, or all unused ones of a batch."""
