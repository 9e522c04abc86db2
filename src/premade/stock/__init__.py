"""How much of a product each channel may sell."""
