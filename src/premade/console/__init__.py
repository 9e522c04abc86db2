"""The pages of the operator's staff, at /console."""
