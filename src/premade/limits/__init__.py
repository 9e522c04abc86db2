"""Rate limits of API keys: tokens are leased from PostgreSQL and taken in memory."""
