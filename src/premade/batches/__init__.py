"""A partner's batches, as they stand."""
