"""A probe that tells embedding models apart.

Flows in: the vector of one fixed sentence. Flows out: whether it is of the model for whose vectors
a head was trained. Weights over vectors of another model would give numbers without meaning.
"""

import numpy as np

from deployments.contracts.embedding import Vectors

PROBE = "The ferry to the island leaves at noon."
_ALIKE = 0.99  # cosine; engines and precisions of one model are over it


def is_same_model(probe: Vectors, trained: Vectors) -> bool:
    """Both are vectors of PROBE of length 1."""
    return probe.shape == trained.shape and float(np.dot(probe, trained)) > _ALIKE
