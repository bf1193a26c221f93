"""Data that crosses a boundary."""
