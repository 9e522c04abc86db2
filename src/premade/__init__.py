"""Pre-made tickets for online travel agencies: generate in bulk, activate exactly once."""
