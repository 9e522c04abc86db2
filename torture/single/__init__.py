"""One machine with the service and its PostgreSQL, and what can break on it."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
