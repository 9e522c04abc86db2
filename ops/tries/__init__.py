"""Each way to run premade that ops/ describes, carried out on this machine. `make ops` runs all of them."""
