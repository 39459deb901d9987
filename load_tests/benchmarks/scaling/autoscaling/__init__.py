"""Autoscaling on paper and live: synthetic traffic, a fleet in simulated time, the contenders."""
