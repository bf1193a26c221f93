"""HiAnime, through a self-hosted aniwatch-api."""
