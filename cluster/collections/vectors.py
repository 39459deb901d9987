"""Vectors of points as they are stored: float16, of length 1 where they are compared by cosine."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BYTES = 2  # of each dimension


def pack_vectors(vectors: NDArray[np.float32], metric: str) -> list[bytes | str]:
    """Each row as bytes; or why it cannot be stored."""
    rows = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    if metric == "cosine":
        rows = np.divide(
            rows, lengths[:, None], out=np.zeros_like(rows), where=lengths[:, None] > 0
        )
    with np.errstate(over="ignore"):
        stored = rows.astype("<f2")
    finite = np.isfinite(stored).all(axis=1)
    return [
        _reason(bool(is_finite), float(length), metric) or row.tobytes()
        for row, is_finite, length in zip(stored, finite, lengths, strict=True)
    ]


def query_vector(vector: Sequence[float] | NDArray[np.float32], metric: str) -> bytes:
    """Of a query: float32. Raises ValueError, which says why it cannot be compared."""
    row = np.asarray(vector, np.float64)
    length = float(np.linalg.norm(row))
    if metric == "cosine" and length > 0:
        row = row / length
    with np.errstate(over="ignore"):
        sent = row.astype("<f4")
    reason = _reason(bool(np.isfinite(sent).all()), length, metric)
    if reason:
        raise ValueError(reason)
    return sent.tobytes()


def unpack_vector(stored: bytes) -> NDArray[np.float32]:
    return np.frombuffer(stored, "<f2").astype(np.float32)


def dimensions_of(stored: bytes) -> int:
    return len(stored) // BYTES


def _reason(is_finite: bool, length: float, metric: str) -> str:
    if not is_finite:
        return "has a number that is too large"
    if metric == "cosine" and length == 0:
        return "has the length 0, and no direction"
    return ""
