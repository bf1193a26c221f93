"""Redis or Valkey: client, rate limiter, quotas, single flight, publish/subscribe."""
