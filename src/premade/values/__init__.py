"""Parse and normalize what people and programs send: text, days, numbers. Pure."""
