"""Redis or Valkey: client, limiter, quotas, single flight, publish/subscribe."""
