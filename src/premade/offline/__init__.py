"""Gates without network: snapshots of the tickets to admit, and the public keys."""
