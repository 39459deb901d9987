"""Benchmarks of autoscaling and routing policies, in simulated time."""
