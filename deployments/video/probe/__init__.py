"""Probe: the streams, sizes and duration of a recording, read in a sandboxed child."""
