"""The catalogue: browsing, cache-aside lookup, sync with MyAnimeList, dump imports."""
