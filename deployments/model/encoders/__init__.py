"""Encoder models: token sequences in, one row of numbers for each out, in one forward pass.

Embedding models and classifiers stand on it; it knows no requests and no queue.
"""
