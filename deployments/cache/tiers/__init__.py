"""The tiers of the response cache: memory (L1), shared (L2), object store (L3)."""
