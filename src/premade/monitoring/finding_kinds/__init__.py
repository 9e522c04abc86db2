"""The kinds of findings, one module each. `monitoring/findings.py` lists them."""
