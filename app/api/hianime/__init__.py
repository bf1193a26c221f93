"""Routes of the HiAnime surface."""
