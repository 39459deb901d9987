"""A stream's text on the shortest way, past the stages that need not look at it.

Most pieces of a stream are text and nothing else, and each would wake a task and pass a dozen
generators. A stage that is about to wait for the next item may pass such pieces on at once instead,
without a task; all else goes the usual way, and no piece overtakes an item.
"""

from typing import Protocol


class TextRelay(Protocol):
    """The rest of one stream. Used on one event loop; neither method waits."""

    def takes(self, index: int) -> bool:
        """Whether a piece of choice `index` may be passed on now."""
        ...

    def take(self, index: int, text: str, tokens: int) -> None:
        """The next piece of choice `index`, of so many generated tokens; only if it `takes` it."""
        ...
