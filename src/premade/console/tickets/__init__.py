"""Search for tickets and orders, and changes of one ticket."""
