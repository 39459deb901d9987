"""Files by id: what callers send for batches and other work, and what batches write."""
