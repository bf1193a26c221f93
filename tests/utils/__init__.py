"""Tests of app/utils."""
