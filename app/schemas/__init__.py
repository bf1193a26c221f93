"""Data that crosses layers: domain objects, request and response bodies, jobs, events."""
