"""A partner activates a ticket: it becomes the customer's, and an order."""
