"""Redis or Valkey: client, rate limiter, quotas, negative cache, single flight, publish/subscribe."""
