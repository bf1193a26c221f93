"""The account for trying things out, whose password everybody knows."""

DEMO_NAME = "demo"
DEMO_PASSWORD = "demo1234"  # public on purpose; it opens nothing unless DEMO_USER allows it
