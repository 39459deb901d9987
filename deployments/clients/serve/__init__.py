"""Clients that call replicas by Serve handle."""
