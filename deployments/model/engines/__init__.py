"""Inference engines behind one Protocol (contracts/engine.py): token ids in, token ids out."""
