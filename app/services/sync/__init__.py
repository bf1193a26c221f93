"""Two-way sync of lists with other services: accounts, merge, pull and push, conflicts."""
