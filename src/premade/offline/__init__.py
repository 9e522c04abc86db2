"""What a scanner needs to go on without network: the keys, and the tickets that it may admit."""
