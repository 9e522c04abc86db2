"""The orders that activation made."""
