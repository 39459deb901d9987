"""Answers that were computed once, kept in tiers, and given again to the tenant they are of."""
