"""Semantic caching: one tenant's earlier answer for a request that means the same."""
