"""Links: one persistent, multiplexed connection from an ingress replica to each model replica."""
