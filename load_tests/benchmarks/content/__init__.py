"""Benchmarks of what is done with texts: analysis, optimisation, the post library."""
