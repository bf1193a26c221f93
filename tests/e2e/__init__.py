"""Tests of the whole product as users start it."""
