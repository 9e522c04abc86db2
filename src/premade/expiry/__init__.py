"""What was not sold by its last day of sale goes back into stock."""
