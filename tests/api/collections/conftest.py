"""The application over a seeded store; collections are made by its own routes."""

from tests.api.administration.conftest import new_world, seed, world

__all__ = ["new_world", "seed", "world"]
