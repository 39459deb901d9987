"""For every tier: Hypothesis times no example, because other work shares the machine."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
