"""Several texts as one, for operations over all of them.

Flows in: texts. Flows out: one text, whose parts are found again. What stands before an operation
(guardrails, charges, caches) reads one text at a time, and so reads all.
"""

from collections.abc import Iterable

from cluster.runtime.problems import InvalidRequest

_SEPARATOR = "\x1e"  # control characters are in no caller's text


def join_texts(texts: Iterable[str]) -> str:
    return _SEPARATOR.join(texts)


def split_texts(joined: str, count: int, param: str) -> list[str]:
    """Raises InvalidRequest naming `param` where they are not `count` texts: a guardrail has
    changed more than words."""
    texts = joined.split(_SEPARATOR)
    if len(texts) != count:
        raise InvalidRequest(f"{param}: have changed on their way.", param=param)
    return texts
