"""Searches of collections: exact indexes in memory over points in the database."""
