"""Operating system processes: supervisor, signals, HTTP server, embedded PostgreSQL and Valkey."""
