"""Job handlers: a few lines each that call a service."""
