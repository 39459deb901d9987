"""Alert rules for Prometheus, over the catalogue of metrics."""
