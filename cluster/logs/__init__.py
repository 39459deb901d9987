"""Logs of every process: one schema, files that rotate, levels that change live, errors grouped."""
