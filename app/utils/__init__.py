"""Tools that know nothing of anime."""
