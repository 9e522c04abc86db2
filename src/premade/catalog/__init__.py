"""What is sold: products and what they entitle to."""
