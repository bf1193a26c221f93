"""The HTTP layer: who may ask what, and how the answer looks."""
