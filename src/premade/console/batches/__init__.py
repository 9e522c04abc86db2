"""Batches: list, generation, changes and exports."""
