"""Vectors of a collection in rows, and their products with a query's vector.

In: vectors as float16 in bytes. Out: products in float32 with a bound of their error, and products
in float64 that depend on the row alone, never on its neighbours: the same to the last bit wherever
the row stands.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]

BLOCK = 8_192  # rows of a block
_FIRST = 8  # rows of the first one
_ROUNDING = 2.0**-24  # of a sum in float32
_CHUNK = 512  # rows that are widened to float64 at a time


class VectorRows:
    """Row i belongs to point i; points without a vector have a row of zeros."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.is_wide = False  # float32 in memory: twice the room, and no conversion for a query
        self._blocks: list[NDArray[Any]] = []
        self._length = 0
        self.greatest = 0.0  # length of a vector, of all that were ever in it

    @classmethod
    def of(cls, rows: NDArray[np.float16], dimensions: int, greatest: float) -> "VectorRows":
        """Rows that may be mapped from a file; they are not changed."""
        made = cls(dimensions)
        made._blocks = [rows[at : at + BLOCK] for at in range(0, len(rows), BLOCK)]
        made._length, made.greatest = len(rows), greatest
        return made

    def parts(self, kept: NDArray[np.bool_]) -> Iterator[NDArray[np.float16]]:
        """All rows, those that are not kept as zeros. May run beside changes."""
        blocks = self._blocks
        for at in range(0, len(kept), BLOCK):
            mine = kept[at : at + BLOCK]
            yield np.where(mine[:, None], blocks[at // BLOCK][: len(mine)], 0).astype("<f2")

    def __len__(self) -> int:
        return self._length

    @property
    def nbytes(self) -> int:
        return sum(block.nbytes for block in self._blocks)

    def extend(self, vectors: Sequence[bytes | None]) -> None:
        """None: there is no vector. Raises ValueError, before any is taken, if one has other
        dimensions."""
        size = 2 * self.dimensions
        for vector in vectors:
            if vector is not None and len(vector) != size:
                raise ValueError(f"{len(vector) // 2} dimensions, not {self.dimensions}")
        joined = b"".join(bytes(size) if vector is None else vector for vector in vectors)
        rows = np.frombuffer(joined, "<f2").reshape(len(vectors), self.dimensions)
        if rows.size:
            wide = rows.astype(np.float32)
            squares = np.einsum("ij,ij->i", wide, wide)
            self.greatest = max(self.greatest, math.sqrt(float(squares.max())))
        taken = 0
        while taken < len(rows):
            block, row = divmod(self._length, BLOCK)
            count = min(BLOCK - row, len(rows) - taken)
            self._make_room(block, row + count)
            self._blocks[block][row : row + count] = rows[taken : taken + count]
            self._length += count
            taken += count

    def widen(self, *, is_wide: bool) -> None:
        """Holds them as float32, or as float16; the values are the same."""
        if is_wide != self.is_wide:
            self.is_wide = is_wide
            self._blocks = [block.astype(self._type) for block in self._blocks]

    def kept(self, kept: NDArray[np.bool_]) -> "VectorRows":
        """A copy without the other rows; those that stay move up."""
        copy, rows = VectorRows(self.dimensions), np.flatnonzero(kept)
        copy.is_wide, copy._length, copy.greatest = self.is_wide, len(rows), self.greatest
        copy._blocks = [
            self.take(rows[at : at + BLOCK]).astype(self._type) for at in range(0, len(rows), BLOCK)
        ]
        return copy

    def products(self, query: Floats) -> Floats:
        """Of each row, in float32."""
        parts = [block @ query for block in self._filled()]
        return np.concatenate(parts) if parts else np.empty(0, np.float32)

    def error_bound(self, query: Floats) -> float:
        """What `products` may differ by from the exact product (Higham, Accuracy and Stability of
        Numerical Algorithms, section 3.1)."""
        share = (self.dimensions + 2) * _ROUNDING
        return share / (1 - share) * float(np.linalg.norm(query)) * self.greatest + 1e-30

    def exact_products(self, rows: Rows, query: Floats) -> Doubles:
        """Of some rows, in float64: products of elements, added pairwise."""
        wide = query.astype(np.float64)
        parts = [
            np.add.reduce(self.take(rows[at : at + _CHUNK]).astype(np.float64) * wide, axis=1)
            for at in range(0, len(rows), _CHUNK)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def take(self, rows: Rows) -> Floats:
        """Some rows as float32: shape (rows, dimensions)."""
        taken = np.empty((len(rows), self.dimensions), np.float32)
        blocks, of_block = self._blocks, rows // BLOCK  # they may be replaced meanwhile
        for block in np.unique(of_block):
            mine = of_block == block
            taken[mine] = blocks[block][rows[mine] - block * BLOCK]
        return taken

    def _filled(self) -> Iterator[Floats]:
        """The blocks as float32, without the room at the end."""
        left = self._length
        for block in self._blocks:
            if left <= 0:
                return
            yield block[:left].astype(np.float32, copy=False)
            left -= BLOCK

    def _make_room(self, block: int, rows: int) -> None:
        """For `rows` of them in a block."""
        if block == len(self._blocks):
            self._blocks.append(np.zeros((0, self.dimensions), self._type))
        old = self._blocks[block]
        if rows > len(old):
            room = BLOCK if block else min(BLOCK, max(_FIRST, rows, 2 * len(old)))
            grown = np.zeros((room, self.dimensions), self._type)
            grown[: len(old)] = old
            self._blocks[block] = grown

    @property
    def _type(self) -> Any:
        return np.float32 if self.is_wide else np.float16
