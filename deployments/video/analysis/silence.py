"""Stretches without sound: levels in, their starts and ends out.

What counts as silence lies midway between a recording's quiet and its loud parts, but well below
the loud ones and never below what can hardly be heard. Knows nothing of decoding.
"""

import numpy as np

from deployments.contracts.media import Seconds, Times, Values

FLOOR = -60.0  # dBFS: below this everything is silence
NEAREST, FARTHEST = 20.0, 45.0  # dB below the loud parts
SHORTEST_S = 0.2


def detect_silence(
    level: Values, start: Seconds, hop_s: Seconds, shortest_s: Seconds = SHORTEST_S
) -> Times:
    """Start and end of each silence of `shortest_s` and more, shape (n, 2), in seconds of the
    source. `level` is in dBFS, a value for each hop from `start` on."""
    quiet = np.concatenate(([False], level < threshold(level), [False]))
    turns = np.flatnonzero(quiet[1:] != quiet[:-1]).reshape(-1, 2)
    long = turns[turns[:, 1] - turns[:, 0] >= round(shortest_s / hop_s)]
    return np.asarray(start + long * hop_s, np.float64)


def threshold(level: Values) -> float:
    """The level below which this recording is silent, dBFS."""
    if not level.size:
        return FLOOR
    quiet, loud = (float(value) for value in np.percentile(level, (10, 95)))
    midway = (quiet + loud) / 2
    return max(FLOOR, min(max(midway, loud - FARTHEST), loud - NEAREST))
