"""Where new shots begin: rows of distances between near frames in, numbers of frames out.

A cut is a frame unlike the one before it, much more so than its neighbours are unlike theirs (so
neither movement nor a fade), in a picture that does not come back within a few frames (so no
flash). Knows nothing of pictures.
"""

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.media import Values

LEAST = 0.18  # of the picture changes at a cut
TIMES_USUAL = 3.0
MARGIN = 0.1
NEIGHBOURS = 8
BACK = 0.4  # of the change at a flash is what remains of it afterwards
LEAST_KEYFRAMES = 0.3

Rows = NDArray[np.float32]


def detect_cuts(rows: Rows) -> NDArray[np.int64]:
    """Numbers of the frames that begin a new shot. `rows` is of shape (n, lags): the distance of
    each frame to the 1st, 2nd ... before it, NaN where there is none. So soon after the beginning
    that a flash would not be known for one, there is no cut."""
    change = np.nan_to_num(rows[:, 0])
    candidates = np.flatnonzero(change >= LEAST)
    found = [
        int(at)
        for at in candidates
        if at >= rows.shape[1] and _stands_out(change, int(at)) and not _comes_back(rows, int(at))
    ]
    return np.array(found, np.int64)


def cuts_of_keyframes(rows: Rows) -> NDArray[np.int64]:
    """The same where only keyframes were decoded: those unlike the keyframe before."""
    return np.flatnonzero(np.nan_to_num(rows[:, 0]) >= LEAST_KEYFRAMES)


def _stands_out(change: Values, at: int) -> bool:
    """Three neighbours in sixteen may be cuts or flashes of their own."""
    near = change[max(0, at - NEIGHBOURS) : at + NEIGHBOURS + 1]
    others = np.delete(near, min(at, NEIGHBOURS))
    usual = float(np.percentile(others, 80)) if others.size else 0.0
    return float(change[at]) >= TIMES_USUAL * usual + MARGIN


def _comes_back(rows: Rows, at: int) -> bool:
    """Whether the frame before `at` is seen again soon (a flash begins), or `at` was seen shortly
    before it (a flash ends)."""
    lags = rows.shape[1]
    later = [rows[at + lag - 1, lag - 1] for lag in range(2, lags + 1) if at + lag - 1 < len(rows)]
    alike = np.array([*later, *rows[at, 1:]], np.float32)
    known = alike[~np.isnan(alike)]
    return bool(known.size) and float(known.min()) < BACK * float(rows[at, 0])
