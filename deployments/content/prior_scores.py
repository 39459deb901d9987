"""What engagement is guessed to be where nobody has reported any: the aspects of scoring.py with the
platform's habits in place of a brief's wishes, over whole matrices of features.

In: rows of features.py. Out: one number from 0 to 1 a row, to rank by; it promises nothing.
`prior_scores` takes numpy or numba, whichever is faster for that many rows; both give the same
within 1e-6. numba is imported, and its kernel compiled, when it first pays: never at import.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from deployments.content.features import COLUMN, Features
from deployments.content.platforms import platform
from deployments.content.scoring import EVEN, WEIGHTS

Scores = NDArray[np.float64]
Kernel = Callable[[Features, NDArray[np.float64]], Scores]

# Rows from which the kernel is used. Below, numpy has finished long before numba is imported.
KERNEL_ROWS = 20_000
ASPECTS = ("length", "readability", "hashtags", "call to action", "emoji", "hook", "platform")

_SIZE, _WORDS, _EASE = COLUMN["characters"], COLUMN["words"], COLUMN["reading_ease"]
_HOOK, _ELEMENTS, _CALL = COLUMN["hook_words"], COLUMN["hook_elements"], COLUMN["call_to_action"]
_BLOCK, _TAGS, _LINKS, _EMOJI = (
    COLUMN[name] for name in ("is_one_block", "hashtags", "links", "emoji")
)


def prior_scores(rows: Features, platform_name: str) -> Scores:
    """One score for each row. Raises KeyError for a platform that is not registered."""
    habits = _habits(platform_name)
    if len(rows) < KERNEL_ROWS:
        return scores_by_numpy(rows, habits)
    return compiled_kernel()(np.ascontiguousarray(rows, dtype=np.float32), habits)


def prior_aspects(row: Features, platform_name: str) -> dict[str, float]:
    """The aspects of one row, each from 0 to 1, and what each weighs in its score."""
    parts = _aspects(row[None, :], _habits(platform_name))
    return {name: float(value[0]) for name, value in zip(ASPECTS, parts, strict=True)}


@cache
def prior_weights(platform_name: str) -> dict[str, float]:
    """What each aspect weighs; they sum up to 1."""
    weights = WEIGHTS.get(platform_name, EVEN)
    total = sum(weights[name] for name in ASPECTS)
    return {name: weights[name] / total for name in ASPECTS}


@cache
def _habits(platform_name: str) -> NDArray[np.float64]:
    """What both implementations read: the platform's habits, then the weights of ASPECTS."""
    site = platform(platform_name)
    habits = (*site.ideal_chars, site.usual_hashtags, site.usual_emoji, site.links_clickable)
    array = np.array([*habits, *prior_weights(platform_name).values()], dtype=np.float64)
    array.setflags(write=False)
    return array


def scores_by_numpy(rows: Features, habits: NDArray[np.float64]) -> Scores:
    """The twin of the kernel."""
    return np.asarray(habits[5:] @ _aspects(rows, habits))


def _aspects(rows: Features, habits: NDArray[np.float64]) -> Scores:
    columns = rows.T.astype(np.float64)
    low, high, usual, wants_emoji, links_work = habits[:5]
    size, tags, emoji = columns[_SIZE], columns[_TAGS], columns[_EMOJI]
    length = np.minimum(np.minimum(1.0, size / low), high / np.maximum(1.0, size))
    readability = np.clip((columns[_EASE] - 10) / 70, 0.0, 1.0) * (columns[_WORDS] > 0)
    hashtags = 1 - np.abs(tags - usual) / np.maximum(1.0, np.maximum(usual, tags))
    most = np.maximum(3.0, np.floor(columns[_WORDS] / 8))
    without = 0.0 if wants_emoji else 1.0
    emojis = np.where(emoji == 0, without, np.minimum(1.0, most / np.maximum(1.0, emoji)))
    words = columns[_HOOK]
    hook = np.where(words <= 12, 0.7, np.maximum(0.2, 0.7 - (words - 12) * 0.05))
    hook = hook + 0.3 * (columns[_ELEMENTS] > 0)
    fit = 1.0 - 0.3 * ((size < low) | (size > high)) - 0.3 * (columns[_BLOCK] > 0)
    fit -= 0.4 * ((columns[_LINKS] > 0) & (not links_work)) + 0.2 * (tags > 2 * usual)
    return np.stack(
        [length, readability, hashtags, columns[_CALL], emojis, hook, np.maximum(0.0, fit)]
    )


@cache
def compiled_kernel() -> Kernel:
    """Compiles it, or reads it from numba's cache (about 0.5 s and 0.1 s, with the import of numba).
    The cache is beside this file or where NUMBA_CACHE_DIR says; without a folder that can be
    written it is compiled once for each process."""
    import numba

    try:
        return cast("Kernel", numba.njit(cache=True)(kernel))
    except RuntimeError:  # no folder for a cache
        return cast("Kernel", numba.njit(kernel))


def kernel(rows: Any, habits: Any) -> Any:
    """One pass over the rows, without temporary arrays. Written for numba; plain Python as well."""
    low, high, usual = habits[0], habits[1], habits[2]
    wants_emoji, links_work = habits[3] > 0, habits[4] > 0
    scores = np.empty(rows.shape[0], np.float64)
    for index in range(rows.shape[0]):
        row = rows[index]
        size, tags, emoji = float(row[_SIZE]), float(row[_TAGS]), float(row[_EMOJI])
        words, hook_words = float(row[_WORDS]), float(row[_HOOK])
        length = min(min(1.0, size / low), high / max(1.0, size))
        readability = 0.0
        if words > 0:
            readability = min(1.0, max(0.0, (float(row[_EASE]) - 10.0) / 70.0))
        hashtags = 1.0 - abs(tags - usual) / max(1.0, max(usual, tags))
        if emoji == 0:
            emojis = 0.0 if wants_emoji else 1.0
        else:
            emojis = min(1.0, max(3.0, np.floor(words / 8.0)) / max(1.0, emoji))
        hook = 0.7 if hook_words <= 12 else max(0.2, 0.7 - (hook_words - 12.0) * 0.05)
        if row[_ELEMENTS] > 0:
            hook += 0.3
        fit = 1.0
        if size < low or size > high:
            fit -= 0.3
        if row[_BLOCK] > 0:
            fit -= 0.3
        if row[_LINKS] > 0 and not links_work:
            fit -= 0.4
        if tags > 2 * usual:
            fit -= 0.2
        scores[index] = (
            habits[5] * length
            + habits[6] * readability
            + habits[7] * hashtags
            + habits[8] * float(row[_CALL])
            + habits[9] * emojis
            + habits[10] * hook
            + habits[11] * max(0.0, fit)
        )
    return scores
