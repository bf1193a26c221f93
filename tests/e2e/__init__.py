"""Tests of the whole product, as its users start it."""
