"""Limits on guesses, counted in the database."""
