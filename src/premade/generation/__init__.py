"""Generation of batches of tickets."""
