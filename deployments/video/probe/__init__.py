"""What a recording holds: streams, sizes, durations; read in a sandboxed child."""
