"""A partner makes a batch of tickets."""
