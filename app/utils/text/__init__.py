"""Text from outside: cleaning, e-mail addresses, spreadsheet cells."""
