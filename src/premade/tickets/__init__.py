"""Tickets: their states, codes, QR tokens and pictures."""
