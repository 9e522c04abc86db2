"""Taking tickets back: one, or all that are unused of a batch."""
