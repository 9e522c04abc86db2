"""Texts for people, as lists by key, apart from the code that shows them."""
