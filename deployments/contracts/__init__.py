"""Frozen values and Protocols that cross a stage. Nothing here knows Ray, HTTP or an engine."""
