"""The operator's staff: members, roles, sign-in and sessions."""
