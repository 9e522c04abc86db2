"""Activation of tickets for customers."""
