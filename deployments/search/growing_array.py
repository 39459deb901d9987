"""An array of numbers that grows at its end."""

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

_FIRST = 16
N = TypeVar("N", bound=np.generic)


class GrowingArray(Generic[N]):
    """One dimension, of one type."""

    def __init__(self, dtype: type[N], values: NDArray[N] | None = None) -> None:
        self._values: NDArray[N] = np.empty(_FIRST, dtype) if values is None else values
        self._length = 0 if values is None else len(values)

    def __len__(self) -> int:
        return self._length

    @property
    def values(self) -> NDArray[N]:
        """A view of what is in it, up to the next change."""
        return self._values[: self._length]

    @property
    def nbytes(self) -> int:
        return self._values.nbytes

    def extend(self, values: Any) -> None:
        """A sequence of numbers."""
        wanted = self._length + len(values)
        if wanted > len(self._values):
            grown = np.empty(max(_FIRST, wanted, 2 * self._length), self._values.dtype)
            grown[: self._length] = self._values[: self._length]
            self._values = grown
        self._values[self._length : wanted] = values
        self._length = wanted
