"""SQL, one class per aggregate, constructed from a transaction."""
