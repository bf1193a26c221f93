"""PostgreSQL: engine, connection pool, transactions, migrations."""
