"""Embeddings: what turns texts into vectors, as a model of its own beside the text models."""
