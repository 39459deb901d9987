"""Text classifiers of tenants: labels and weights that were trained on a tenant's examples."""
