"""Factories of rows and objects for tests."""
