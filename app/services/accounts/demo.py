"""The demo account, whose password is public."""

DEMO_NAME = "demo"
DEMO_PASSWORD = "demo1234"  # public on purpose; rejected unless DEMO_USER is set
