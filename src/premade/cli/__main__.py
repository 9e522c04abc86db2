"""`python -m premade.cli`, the same as `premade`."""

from premade.cli import main

main()
