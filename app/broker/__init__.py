"""Notices of jobs over Redis: the API and the scheduler send them, workers receive them."""
