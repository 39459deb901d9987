"""How many users there are over time: (seconds since the start) -> (users, spawn rate), or the end.

Pure functions; `locustfile.py` picks one by `--shape`.
"""

from collections.abc import Callable
from itertools import pairwise

Point = tuple[int, float]
Shape = Callable[[float, int, float], Point | None]


def steady(at_s: float, users: int, length_s: float) -> Point | None:
    """All users from the start; with a long time, a soak."""
    return (users, float(users)) if at_s < length_s else None


def ramp(at_s: float, users: int, length_s: float) -> Point | None:
    """From one user to all of them, evenly."""
    if at_s >= length_s:
        return None
    return max(1, round(users * at_s / length_s)), max(1.0, users / length_s)


def step(at_s: float, users: int, length_s: float) -> Point | None:
    """Five equal steps."""
    if at_s >= length_s:
        return None
    return max(1, users * (int(5 * at_s / length_s) + 1) // 5), float(users)


def spike(at_s: float, users: int, length_s: float) -> Point | None:
    """A tenth of the users, and all of them in the middle fifth."""
    if at_s >= length_s:
        return None
    inside = 0.4 <= at_s / length_s < 0.6
    return (users if inside else max(1, users // 10)), float(users)


def diurnal(at_s: float, users: int, length_s: float) -> Point | None:
    """A day in miniature: night, morning rise, noon dip, evening peak, night."""
    day = ((0.0, 0.1), (0.25, 0.1), (0.4, 0.7), (0.5, 0.5), (0.75, 1.0), (1.0, 0.1))
    share = at_s / length_s
    for (start, low), (end, high) in pairwise(day):
        if start <= share < end:
            level = low + (high - low) * (share - start) / (end - start)
            return max(1, round(users * level)), max(1.0, users / 5)
    return None


def noisy(at_s: float, users: int, length_s: float) -> Point | None:
    """A fifth of the users (the quiet tenant's), and all of them in the middle third."""
    if at_s >= length_s:
        return None
    return (users if is_flooded(at_s, length_s) else quiet(users)), float(users)


def quiet(users: int) -> int:
    """How many of them are the quiet tenant's."""
    return max(1, users // 5)


def is_flooded(at_s: float, length_s: float) -> bool:
    """Whether the noisy tenant floods the cluster at that moment."""
    return 1 / 3 <= at_s / length_s < 2 / 3


SHAPES: dict[str, Shape] = {
    "steady": steady,
    "soak": steady,
    "ramp": ramp,
    "step": step,
    "spike": spike,
    "diurnal": diurnal,
    "noisy": noisy,
}
