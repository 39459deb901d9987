"""The authorities that hold the global buckets: in memory, in Redis."""
