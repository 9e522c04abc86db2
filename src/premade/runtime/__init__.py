"""Basics of every process: clock and randomness, settings, logs, metrics, errors, micro-batches, background loops."""
