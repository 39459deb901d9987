"""Faces before movements: boxes of both in, those to follow out.

Faces are looked for once a second only; between two finds in one shot the face moved in a straight
line. Knows nothing of pictures.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.media import Seconds, Times, Values

FARTHEST_S: Seconds = 1.5


def merge_faces_and_motion(times: Times, boxes: Values, faces: Values, cuts: Times) -> Values:
    """The box at each of `times`, shape (n, 5): a face's if there is one, else what moves. `faces`
    is NaN where none was looked for or found."""
    seen = ~np.isnan(faces[:, 0])
    chosen = np.where(seen[:, None], faces, boxes)
    for one, other in pairwise(np.flatnonzero(seen)):
        if _same_face(times[one], times[other], cuts):
            between = slice(one + 1, other)
            share = (times[between] - times[one]) / (times[other] - times[one])
            chosen[between] = faces[one] + share[:, None] * (faces[other] - faces[one])
    return chosen.astype(np.float32)


def _same_face(one: np.float64, other: np.float64, cuts: Times) -> bool:
    crossed: NDArray[np.bool_] = (cuts > one) & (cuts <= other)
    return bool(other - one <= FARTHEST_S) and not crossed.any()
