"""Encodes Python values as JSON, or raises a problem that points at the invalid value.

In: dicts, lists, strings, numbers (numpy scalars and arrays included). Out: bytes that any JSON
parser reads as the same values (RFC 8259, I-JSON of RFC 7493), without omission, rounding or null.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from cluster.runtime.problems import Malformed

MAX_DEPTH = 64
MIN_INT, MAX_INT = -(2**63), 2**64 - 1


def encode(value: Any) -> bytes:
    """Raises Malformed, with an RFC 6901 pointer, for the first value that is not JSON."""
    return orjson.dumps(_plain(value, ()))


def count_levels(value: Any, most: int) -> int:
    """Levels of objects and arrays that are nested in `value`, breadth first; counts no further
    than `most` + 1. 0 for a scalar.
    """
    containers, levels = [value] if isinstance(value, dict | list) else [], 0
    while containers and levels <= most:
        levels += 1
        containers = [
            child
            for each in containers
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, dict | list)
        ]
    return levels


def _plain(value: Any, at: tuple[str, ...]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, at)
    if isinstance(value, int | float):
        return _number(value, at)
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist(), at)
    if len(at) > MAX_DEPTH:
        raise _malformed(at, f"is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {_name(key, at): _plain(each, (*at, str(key))) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, (*at, str(index))) for index, each in enumerate(value)]
    raise _malformed(at, f"is a {type(value).__name__}, which JSON cannot represent")


def _text(value: str, at: tuple[str, ...]) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _malformed(at, f"has a lone surrogate (character {error.start})") from None
    return str(value)


def _number(value: float, at: tuple[str, ...]) -> float:
    if isinstance(value, int):
        if not MIN_INT <= value <= MAX_INT:
            raise _malformed(at, f"is an integer outside {MIN_INT} to {MAX_INT}")
        return int(value)
    if not math.isfinite(value):
        raise _malformed(at, f"is {value}, and a number must be finite")
    return float(value)


def _name(key: Any, at: tuple[str, ...]) -> str:
    if not isinstance(key, str):
        raise _malformed(at, f"has a key of type {type(key).__name__}; keys must be strings")
    return _text(key, at)


def _malformed(at: tuple[str, ...], why: str) -> Malformed:
    steps = (step[:100].encode("utf-8", "replace").decode() for step in at[:MAX_DEPTH])
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return Malformed.at(pointer, why, "not-json")
