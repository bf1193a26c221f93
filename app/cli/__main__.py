"""`python -m app.cli` is `anisync`."""

from app.cli import main

main()
