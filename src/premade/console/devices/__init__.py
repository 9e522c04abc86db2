"""Gate devices: list, approve and revoke."""
