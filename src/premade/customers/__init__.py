"""Customers: find, export and erase their contact data."""
