"""Redeeming: a ticket's entitlements are used up at the gate, online and after a device was away."""
