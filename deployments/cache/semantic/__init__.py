"""Semantic caching: a tenant's earlier response to a request with the same meaning."""
