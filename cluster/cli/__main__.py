"""Runs the command line."""

from cluster.cli.app import app

app(prog_name="mobula")
