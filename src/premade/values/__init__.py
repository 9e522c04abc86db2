"""Parse and normalise what people and programs send: text, days, time zones, numbers. Pure."""
