"""Moderation: which categories of harm a text is in, by rules or by a model."""
