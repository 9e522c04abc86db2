"""The devices of gates: registered by their first request, listed, approved and revoked by the operator."""
