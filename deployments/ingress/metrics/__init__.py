"""Figures of the ingress for the scrape, and the scrape of all replicas."""
