"""How fast a provider's model generates, learned from its answers in one piece.

In: output tokens of one choice, and the seconds that the answer took. Out: the tokens that it makes
in some time, typically.
"""

_GAIN = 0.1
_INITIAL = 30.0  # tokens per second, before any answer
_LEAST_S = 0.001


class OutputSpeed:
    """A moving average of tokens per second."""

    def __init__(self) -> None:
        self._per_second = _INITIAL

    def observe(self, tokens: float, seconds: float) -> None:
        self._per_second += _GAIN * (tokens / max(seconds, _LEAST_S) - self._per_second)

    def tokens(self, seconds: float) -> int:
        return int(self._per_second * max(0.0, seconds))
