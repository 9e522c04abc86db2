"""Redemption of tickets at the gate, online and by upload of offline scans."""
