"""For every tier: how many examples Hypothesis tries, and what the garbage collector looks at.

Hypothesis times no example, because other work shares the machine. `./mobula test` tries a few
examples of each property, `./mobula test --all` many (the profile `thorough`).
"""

import gc

from hypothesis import settings

settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=300)
settings.load_profile("quick")


def pytest_collection_finish() -> None:
    """Modules stay until the end: no collection of garbage needs to visit them again."""
    gc.collect()
    gc.freeze()
