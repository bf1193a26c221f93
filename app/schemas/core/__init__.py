"""Request and response schemas of the core surface."""
