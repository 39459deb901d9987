"""`truncation: auto` of the Responses API: the oldest items are left out of a prompt too long.

In: items, and by how much they are too long. Out: the newest of them.
"""

from collections.abc import Sequence

from cluster.runtime.problems import PromptTooLong
from deployments.ingress.translation.response_items import Item

_MARGIN = 0.9  # of the share that would fit: items differ in tokens for each character


def shortened(items: Sequence[Item], problem: PromptTooLong) -> list[Item] | None:
    """The newest items, of about as much text as fits; None where none can be left out. The output
    of a function stays with its call.
    """
    share = fitting_share(problem)
    sizes = [_size(item) for item in items]
    most, cut = sum(sizes) * share, 0
    for index in _places(items):
        cut = index
        if sum(sizes[index:]) <= most:
            break
    return list(items[cut:]) if cut else None


def fitting_share(problem: PromptTooLong) -> float:
    """How much of the text may be left, with a margin."""
    found = problem.extensions
    size, limit = ("tokens", "limit") if "tokens" in found else ("bytes", "limit_bytes")
    return min(1.0, float(found[limit]) / float(found[size])) * _MARGIN


def _places(items: Sequence[Item]) -> list[int]:
    """Where items may be cut off: no later output has its call before."""
    places: list[int] = []
    needed: set[str] = set()
    for index in range(len(items) - 1, 0, -1):
        item = items[index]
        if item["type"] == "function_call_output":
            needed.add(item["call_id"])
        elif item["type"] == "function_call":
            needed.discard(item["call_id"])
        if not needed:
            places.append(index)
    return places[::-1]


def _size(item: Item) -> int:
    if item["type"] == "message":
        return sum(len(part.get("text", part.get("refusal", ""))) for part in item["content"])
    return len(str(item.get("arguments", item.get("output", ""))))
