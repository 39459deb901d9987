"""Benchmarks of what callers notice while parts of a cluster fail or are attacked."""
