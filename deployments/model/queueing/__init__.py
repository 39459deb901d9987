"""Admission, fair queueing and load shedding in front of an engine."""
