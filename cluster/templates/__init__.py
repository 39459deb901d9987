"""Prompt templates of tenants: versions, variables, rendering, and tests against examples."""
