"""For every tier: how many examples Hypothesis tries, and what the garbage collector looks at.

Hypothesis times no example, because other work shares the machine. `./mobula test` tries a few
examples of each property, `./mobula test --all` many (the profile `thorough`).
"""

import gc
from collections.abc import Generator

import pytest
from hypothesis import settings

settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=300)
settings.load_profile("quick")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and tests stay until the end: the garbage collector never visits them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
