"""Grafana dashboards, made from the catalogue of metrics."""
