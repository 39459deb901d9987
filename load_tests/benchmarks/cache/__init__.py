"""Benchmarks of the cache: speed, hit ratio, right answers, memory."""
