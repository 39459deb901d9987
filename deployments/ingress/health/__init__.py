"""Health checks of what an ingress replica depends on, and the operator's own."""
