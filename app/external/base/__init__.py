"""What every upstream client stands on: policy, circuit breaker, HTTP exchange, faults."""
