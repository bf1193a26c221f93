"""What the core surface reads and writes."""
