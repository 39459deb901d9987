"""A private cluster under constant load while parts of it are killed, and what must hold then.

`../bench_nodes.py` does the same to whole nodes.
"""
