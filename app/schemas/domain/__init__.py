"""Domain objects: the frozen data types that services take and return."""
