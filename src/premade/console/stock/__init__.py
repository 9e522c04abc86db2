"""Products, allotments and reservations."""
