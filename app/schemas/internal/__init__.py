"""What other services of the operator send and read."""
