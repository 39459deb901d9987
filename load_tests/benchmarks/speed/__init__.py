"""Benchmarks of requests and tokens a second, and of what a request costs."""
