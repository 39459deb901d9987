"""Benchmarks of texts: analysis, optimisation, and the post library."""
