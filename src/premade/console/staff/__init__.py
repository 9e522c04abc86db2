"""The members of the staff."""
