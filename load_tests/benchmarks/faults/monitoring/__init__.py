"""A cluster watched by a real Prometheus: what its dashboards show and which alerts fire."""
