"""Stock: allotments of products to channels, and reservations."""
