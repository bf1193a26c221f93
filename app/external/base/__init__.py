"""The common parts of all upstream clients: policy, circuit breaker, HTTP exchange, faults."""
