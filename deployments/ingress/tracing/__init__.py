"""Traces of requests: what is recorded, and their spans."""
