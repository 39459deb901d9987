"""What an index of a collection consists of, as values that can be written and read back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.search.inverted_index import Postings
from deployments.search.vector_rows import VectorRows


@dataclass(frozen=True, slots=True)
class IndexState:
    """All by row. Of rows that are not `live`, ids and payloads are empty, postings left out, and
    vectors mean nothing. Later changes of the index do not change it."""

    sequence: int
    ids: list[str]
    live: NDArray[np.bool_]
    has_vector: NDArray[np.bool_]
    sequences: NDArray[np.int64]
    payloads: list[bytes]
    postings: Postings
    lengths: NDArray[np.int32]
    vectors: VectorRows
