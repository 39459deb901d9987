"""Recordings made for tests of what is rendered from them."""

from tests.media_fixtures.fixtures import recording  # noqa: F401
