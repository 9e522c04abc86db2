"""`premade doctor`: checks of one installation. `doctor/examine.py` lists them."""
