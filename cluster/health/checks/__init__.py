"""Checks of dependencies that every kind of process has."""
