"""Faults that last while they are entered, in a cluster of `mobula up -d`, and end with it.

`../chaos/` injects faults that pass by themselves, under load; these stay until somebody has seen
them: an operator, a dashboard, an alert rule.
"""
