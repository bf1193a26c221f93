"""Makers of rows and objects for tests."""
