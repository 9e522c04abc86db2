"""What the service can tell of itself: figures from the database, readiness."""
