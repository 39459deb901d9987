"""Platforms: the published limits of each network and what is customary on it.

In: a platform name. Out: a frozen `Platform` that validation, prompts, clean-up and scoring read.
Character limits count Unicode code points, as the networks' own help pages state them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Platform:
    """One network: hard limits (`max_*`), and habits that scoring rewards (`usual_*`,
    `ideal_chars`).
    """

    name: str
    label: str
    max_chars: int
    max_hashtags: int
    usual_hashtags: int
    usual_emoji: bool
    links_clickable: bool
    ideal_chars: tuple[int, int]
    noun: str = "caption"


_PLATFORMS: dict[str, Platform] = {}


def register_platform(platform: Platform) -> Platform:
    """Add `platform` under its name and return it; raises ValueError where the name is taken."""
    if platform.name in _PLATFORMS:
        raise ValueError(f"platform {platform.name!r} is already registered")
    _PLATFORMS[platform.name] = platform
    return platform


def platform(name: str) -> Platform:
    """Return the platform called `name`; raises KeyError for a name that is not registered."""
    return _PLATFORMS[name]


def platforms() -> tuple[Platform, ...]:
    """Return every platform in the order of registration."""
    return tuple(_PLATFORMS.values())


for _entry in (
    Platform("instagram", "Instagram", 2_200, 30, 5, True, False, (60, 300)),
    Platform("linkedin", "LinkedIn", 3_000, 10, 3, False, True, (150, 1_300), "post"),
    Platform("x", "X", 280, 5, 1, False, True, (50, 240), "post"),
    Platform("facebook", "Facebook", 63_206, 10, 2, True, True, (60, 500), "post"),
    Platform("tiktok", "TikTok", 2_200, 10, 4, True, False, (40, 200)),
    Platform("threads", "Threads", 500, 1, 1, False, True, (60, 350), "post"),
    Platform("pinterest", "Pinterest", 500, 20, 3, False, True, (80, 400), "description"),
    Platform("youtube", "YouTube", 5_000, 15, 3, False, True, (120, 1_000), "description"),
):
    register_platform(_entry)
