"""Marks in text that comes piece by piece.

In: text. Out: what of it certainly lies before the next mark. A half-written mark is held back.
"""


class MarkFinder:
    """Finds one mark. Linear in the text, as a mark is short. An empty mark is never found."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._prefixes = frozenset(mark[:length] for length in range(1, len(mark)))
        self._held = ""

    def find(self, text: str, at: int) -> tuple[str, int, bool]:
        """Reads on from `at`: (text before the mark, the position read up to, whether it is met).

        The position is that after the mark, or the end of the text. What is held back comes with
        the next call, or from `take`.
        """
        mark = self._mark
        if not mark:
            return text[at:], len(text), False
        held, self._held = self._held, ""
        if held:
            window = held + text[at : at + len(mark) - 1]
            start = window.find(mark)
            if start >= 0:
                return window[:start], at + start + len(mark) - len(held), True
            if len(text) - at < len(mark):
                return self._hold_back(window), len(text), False
        start = text.find(mark, at)
        if start >= 0:
            return held + text[at:start], start + len(mark), True
        return held + self._hold_back(text[at:]), len(text), False

    def take(self) -> str:
        """The text held back, once no mark can come of it."""
        held, self._held = self._held, ""
        return held

    def _hold_back(self, text: str) -> str:
        """`text` without its longest end that may begin the mark."""
        for length in range(min(len(self._mark) - 1, len(text)), 0, -1):
            if text[-length:] in self._prefixes:
                self._held = text[-length:]
                return text[:-length]
        return text
