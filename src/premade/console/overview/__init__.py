"""The first page: sales, stock and what needs attention."""
