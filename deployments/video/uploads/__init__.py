"""Recordings that tenants bring: their rows, their uploads in pieces, their way from a URL."""
