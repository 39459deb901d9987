"""Classifiers: models that give texts, or pairs of texts, scores; for ranking and moderation."""
