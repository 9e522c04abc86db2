"""The checks, one module each. `doctor/examine.py` lists them."""
