"""What numba saves: the kernel of prior_scores.py beside its twin in numpy, for one row and for
10^5, and a whole what-if.

In: nothing. Out: times.
"""

from collections.abc import Callable
from time import perf_counter, process_time

import numpy as np

from deployments.content.features import FEATURES, Features, features
from deployments.content.prior_scores import compiled_kernel, kernel_arguments, scores_by_numpy
from deployments.content.what_if import what_if
from load_tests.benchmarks.common.measurement import Measurement

PART = "candidates"
ROWS = 100_000
_MOST = (
    (800, 800, 120, 20, 30, 40, 3, 120, 30, 3, 4, 4, 1, 8, 5, 6, 1, 1, 12, 4, 2, 5, 1, 1)
)  # fmt: skip
_DRAFT = "Do you know our roastery? We open on Saturday at 9. Come by, there is a cup for everyone!"


def measure_kernel(rows: int = ROWS) -> list[Measurement]:
    many, one = _rows(rows), _rows(1)
    habits, columns = kernel_arguments("instagram")
    since = perf_counter()
    kernel = compiled_kernel()
    kernel(one, habits, columns)
    first_s = perf_counter() - since
    difference = np.abs(kernel(many, habits, columns) - scores_by_numpy(many, habits)).max()
    row = features(_DRAFT, "instagram")
    return [
        Measurement(PART, "first call of numba, with its import", 1e3 * first_s, "ms"),
        Measurement(PART, f"{rows} rows, numba", _ms(lambda: kernel(many, habits, columns)), "ms"),
        Measurement(PART, f"{rows} rows, numpy", _ms(lambda: scores_by_numpy(many, habits)), "ms"),
        Measurement(PART, "one row, numba", _ms(lambda: kernel(one, habits, columns)), "ms"),
        Measurement(PART, "one row, numpy", _ms(lambda: scores_by_numpy(one, habits)), "ms"),
        Measurement(PART, "features of one text", _ms(lambda: features(_DRAFT, "x")), "ms"),
        Measurement(PART, "a what-if", _ms(lambda: what_if(row, "instagram", None)), "ms"),
        Measurement(PART, "most difference of the two", float(difference), at_most=1e-6),
    ]


def _rows(count: int) -> Features:
    chance = np.random.default_rng(3)
    rows = np.floor(chance.random((count, len(FEATURES))) * (np.array(_MOST) + 1))
    return rows.astype(np.float32)


def _ms(run: Callable[[], object]) -> float:
    """The least CPU time of nine runs."""
    times = []
    for _ in range(9):
        since = process_time()
        run()
        times.append(process_time() - since)
    return 1e3 * min(times)
