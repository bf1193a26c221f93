"""Routes of the core surface."""
