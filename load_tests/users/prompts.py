"""What simulated users ask about; a seed gives the same questions again."""

import random

_THINGS = (
    "coffee bar",
    "pottery class",
    "running club",
    "book fair",
    "rooftop garden",
    "bike shop",
)
_PLACES = ("by the river", "in the old town", "at the station", "for all", "at dawn")
PLATFORMS = ("instagram", "linkedin", "x", "facebook", "tiktok")


class Topics:
    """An endless supply of topics, few enough to repeat and many enough to differ."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def topic(self) -> str:
        number = self._random.randrange(1000)
        return f"{self._random.choice(_THINGS)} {self._random.choice(_PLACES)} no. {number}"

    def number(self, below: int) -> int:
        return self._random.randrange(below)

    def platform(self) -> str:
        return self._random.choice(PLATFORMS)
