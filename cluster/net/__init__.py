"""Reaching out: URLs that tenants name are checked before anything is sent to them."""
