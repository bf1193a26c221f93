"""What the HiAnime surface reads and writes."""
