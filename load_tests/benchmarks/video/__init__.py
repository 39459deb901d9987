"""Benchmarks of video: cost of analysis and rendering, quality of the ranking."""
