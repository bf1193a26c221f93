"""What the product does; every transaction starts here."""
