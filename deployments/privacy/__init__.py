"""Export and erasure of what is stored of a tenant or of one of its users."""
