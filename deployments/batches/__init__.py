"""Batches: up to 1,000 calls of one operation as a job, with a result or a problem for each."""
