"""Mobula's version, the one that pyproject.toml and the changelog name too (a test holds them)."""

VERSION = "0.1.0"
