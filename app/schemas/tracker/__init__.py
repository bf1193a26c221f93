"""What the tracker surface reads and writes."""
