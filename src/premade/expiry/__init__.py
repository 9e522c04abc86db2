"""Expiry: unsold tickets end after their last day of sale, and their stock returns."""
