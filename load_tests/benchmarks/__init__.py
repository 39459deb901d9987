"""Benchmarks of Mobula, one module `bench_NAME` for each `./mobula bench NAME`, by group."""
