"""Tests mirror app/, file for file."""
