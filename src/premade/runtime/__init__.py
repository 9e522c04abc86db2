"""What every process needs: clock and chance, settings, logs, metrics, errors, micro-batches, background loops."""
