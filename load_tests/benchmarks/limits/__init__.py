"""Benchmarks of limits, fairness and the usage ledger."""
