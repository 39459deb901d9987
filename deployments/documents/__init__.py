"""Documents of tenants: stored block by block, indexed by chunks, asked with citations."""
