"""Health of what the cluster depends on, checked in the background of each ingress replica."""
