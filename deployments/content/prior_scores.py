"""What engagement is guessed to be where nobody has reported any: the aspects of scoring.py, with
the platform's habits in place of a brief's wishes, over whole matrices of features.

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
Columns = NDArray[np.int64]
Kernel = Callable[[Features, NDArray[np.float64], Columns], Scores]

# Rows from which the kernel is used. Below, numpy has finished long before numba is imported.
KERNEL_ROWS = 20_000
ASPECTS = ("length", "readability", "hashtags", "call to action", "emoji", "hook", "platform")

# The columns that the kernel reads. It gets them as an argument: numba's cache notices a change of
# this file, not of another.
_READ = (
    ("characters", "words", "reading_ease", "hook_words", "hook_elements")
    + ("call_to_action", "is_one_block", "hashtags", "links", "emoji")
)  # fmt: skip
_COLUMNS = np.array([COLUMN[name] for name in _READ], dtype=np.int64)


def prior_scores(rows: Features, platform_name: str) -> Scores:
    """One score for each row. Raises KeyError for a platform that is not registered."""
    habits = _habits(platform_name)
    if len(rows) < KERNEL_ROWS:
        return scores_by_numpy(rows, habits)
    return compiled_kernel()(np.ascontiguousarray(rows, dtype=np.float32), habits, _COLUMNS)


def prior_aspects(row: Features, platform_name: str) -> dict[str, float]:
    """The aspects of one row, each from 0 to 1. In plain Python, as for one row numpy takes ten
    times as long."""
    site = platform(platform_name)
    size, words, ease, hook_words, elements, call, block, tags, links, emoji = row[
        _COLUMNS
    ].tolist()
    (low, high), usual = site.ideal_chars, site.usual_hashtags
    hook = 0.7 if hook_words <= 12 else max(0.2, 0.7 - (hook_words - 12) * 0.05)
    fit = 1.0 - 0.3 * (not low <= size <= high) - 0.3 * (block > 0)
    fit -= 0.4 * (links > 0 and not site.links_clickable) + 0.2 * (tags > 2 * usual)
    without_emoji = 0.0 if site.usual_emoji else 1.0
    return {
        "length": min(1.0, size / low, high / max(1.0, size)),
        "readability": min(1.0, max(0.0, (ease - 10) / 70)) if words > 0 else 0.0,
        "hashtags": 1 - abs(tags - usual) / max(1.0, usual, tags),
        "call to action": call,
        "emoji": min(1.0, max(3.0, words // 8) / emoji) if emoji else without_emoji,
        "hook": hook + 0.3 * (elements > 0),
        "platform": max(0.0, fit),
    }


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


def kernel_arguments(platform_name: str) -> tuple[NDArray[np.float64], Columns]:
    """What the kernel takes beside the rows."""
    return _habits(platform_name), _COLUMNS


def scores_by_numpy(rows: Features, habits: NDArray[np.float64]) -> Scores:
    """The twin of the kernel."""
    return np.asarray(habits[5:] @ _aspects(rows, habits))


def _aspects(rows: Features, habits: NDArray[np.float64]) -> Scores:
    size, words, ease, hook_words, elements, call, block, tags, links, emoji = rows.T[
        _COLUMNS
    ].astype(np.float64)
    low, high, usual, wants_emoji, links_work = habits[:5]
    length = np.minimum(np.minimum(1.0, size / low), high / np.maximum(1.0, size))
    readability = np.clip((ease - 10) / 70, 0.0, 1.0) * (words > 0)
    hashtags = 1 - np.abs(tags - usual) / np.maximum(1.0, np.maximum(usual, tags))
    most = np.maximum(3.0, np.floor(words / 8))
    without = 0.0 if wants_emoji else 1.0
    emojis = np.where(emoji == 0, without, np.minimum(1.0, most / np.maximum(1.0, emoji)))
    hook = np.where(hook_words <= 12, 0.7, np.maximum(0.2, 0.7 - (hook_words - 12) * 0.05))
    hook = hook + 0.3 * (elements > 0)
    fit = 1.0 - 0.3 * ((size < low) | (size > high)) - 0.3 * (block > 0)
    fit -= 0.4 * ((links > 0) & (not links_work)) + 0.2 * (tags > 2 * usual)
    return np.stack([length, readability, hashtags, call, emojis, hook, np.maximum(0.0, fit)])


@cache
def compiled_kernel() -> Kernel:
    """Compiles it in about a second, or reads it from numba's cache: the one beside this file, or
    where NUMBA_CACHE_DIR says. Without a folder that can be written it is compiled once for each
    process."""
    import numba

    try:
        return cast("Kernel", numba.njit(cache=True)(kernel))
    except RuntimeError:  # no folder for a cache
        return cast("Kernel", numba.njit(kernel))


def kernel(rows: Any, habits: Any, columns: Any) -> Any:
    """One pass over the rows, without temporary arrays. Written for numba; plain Python as well."""
    low, high, usual = habits[0], habits[1], habits[2]
    wants_emoji, links_work = habits[3] > 0, habits[4] > 0
    size_at, words_at, ease_at = columns[0], columns[1], columns[2]
    hook_at, elements_at, call_at = columns[3], columns[4], columns[5]
    block_at, tags_at, links_at, emoji_at = columns[6], columns[7], columns[8], columns[9]
    scores = np.empty(rows.shape[0], np.float64)
    for index in range(rows.shape[0]):
        row = rows[index]
        size, tags, emoji = float(row[size_at]), float(row[tags_at]), float(row[emoji_at])
        words, hook_words = float(row[words_at]), float(row[hook_at])
        length = min(min(1.0, size / low), high / max(1.0, size))
        readability = 0.0
        if words > 0:
            readability = min(1.0, max(0.0, (float(row[ease_at]) - 10.0) / 70.0))
        hashtags = 1.0 - abs(tags - usual) / max(1.0, max(usual, tags))
        if emoji == 0:
            emojis = 0.0 if wants_emoji else 1.0
        else:
            emojis = min(1.0, max(3.0, np.floor(words / 8.0)) / max(1.0, emoji))
        hook = 0.7 if hook_words <= 12 else max(0.2, 0.7 - (hook_words - 12.0) * 0.05)
        hook += 0.3 * (row[elements_at] > 0)
        fit = 1.0 - 0.3 * ((size < low) | (size > high)) - 0.3 * (row[block_at] > 0)
        fit -= 0.4 * ((row[links_at] > 0) & (not links_work)) + 0.2 * (tags > 2 * usual)
        scores[index] = (
            habits[5] * length
            + habits[6] * readability
            + habits[7] * hashtags
            + habits[8] * float(row[call_at])
            + habits[9] * emojis
            + habits[10] * hook
            + habits[11] * max(0.0, fit)
        )
    return scores
