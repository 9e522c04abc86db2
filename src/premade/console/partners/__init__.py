"""Partners, their limits and their API keys."""
