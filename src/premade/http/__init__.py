"""HTTP: requests in, responses out. Knows nothing about tickets."""
