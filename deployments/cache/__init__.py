"""The response cache: computed once, stored in tiers, served again to the same tenant."""
