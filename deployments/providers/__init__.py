"""Models that providers serve over HTTP, called from the ingress process."""
