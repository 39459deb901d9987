"""Figures of every process: declared once (catalogue/), counted here, written for Prometheus."""
