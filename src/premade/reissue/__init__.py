"""A new QR for a ticket, in place of one that was lost or seen by others."""
