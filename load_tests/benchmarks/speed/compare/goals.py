"""What a gateway in front of a provider has to carry beside others. Pure.

In: the rows of a comparison in which all forward to one upstream. Out: figures with their bounds.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.speed.compare.report import compute_ratios

PART = "forwarding"
CONNECTIONS = 16  # of the ratios
MOST_ADDED_MS = 1.0  # to the median at one connection
_LEAST_RATIOS = {("unary", "Portkey"): 2.0, ("unary", "SMG"): 0.25, ("stream", "SMG"): 0.25}
_RATES = {"unary": "requests/s", "stream": "chunks/s of streams"}


def forwarding_goals(rows: Sequence[dict[str, Any]], ours: str, upstream: str) -> list[Measurement]:
    """One figure for each goal of which both sides were measured; `upstream` names the contender
    that all others forward to.
    """
    return [*_ratios(rows, ours), *_added(rows, ours, upstream)]


def _ratios(rows: Sequence[dict[str, Any]], ours: str) -> Iterator[Measurement]:
    for found in compute_ratios(rows, ours):
        product = found["over"].split(" ")[0]
        least = _LEAST_RATIOS.get((found["case"], product))
        if least is not None and found["connections"] == CONNECTIONS:
            name = f"{_RATES[found['case']]} over {product}'s at {CONNECTIONS} connections"
            yield Measurement(PART, name, found["ratio"], "ratio", at_least=least)


def _added(rows: Sequence[dict[str, Any]], ours: str, upstream: str) -> Iterator[Measurement]:
    """Milliseconds at one connection over the upstream asked directly."""
    medians = {
        row["contender"]: row["p50_ms"]
        for row in rows
        if (row["case"], row["connections"]) == ("unary", 1)
    }
    if upstream not in medians:
        return
    for contender, p50_ms in medians.items():
        if contender != upstream:
            most = MOST_ADDED_MS if contender == ours else None
            name = f"p50 that {contender.split(' ')[0]} adds at one connection"
            yield Measurement(PART, name, p50_ms - medians[upstream], "ms", at_most=most)
