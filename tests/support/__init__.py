"""What the tests stand on: real servers, and a shop to sell in."""
