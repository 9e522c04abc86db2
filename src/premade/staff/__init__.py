"""The operator's staff: who they are, what they may, and that they are signed in."""
