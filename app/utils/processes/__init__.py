"""Running programs: supervisor, signals, HTTP server, embedded PostgreSQL and Valkey."""
