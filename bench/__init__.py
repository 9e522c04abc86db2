"""What the service costs beside what PostgreSQL itself can do."""
