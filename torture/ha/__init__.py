"""Three PostgreSQL nodes by ops/ha on one machine, each in its own network namespace, and what can break in them."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
