"""The only package that opens connections to PostgreSQL: transactions, statements, keyset pagination, migrations, and the embedded server."""
