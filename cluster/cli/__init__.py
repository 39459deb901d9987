"""The command line, the outermost layer: `./mobula ...` runs `python -m cluster.cli ...`."""
