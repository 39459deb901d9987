"""Responses of models that clients may continue or retrieve."""
