"""Routes of the internal surface, for other services of the operator."""
