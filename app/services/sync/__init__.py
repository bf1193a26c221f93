"""The two-way sync of lists with other services: the merge, accounts, pull and push, conflicts."""
