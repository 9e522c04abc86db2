"""Orders of activated tickets."""
