"""Tenants' files: bytes in a folder or a bucket, and an inventory of them in the database."""
