"""Modules that tests run inside the sandbox."""
