"""Who may ask: partners, their API keys, and the check of a key at each request."""
