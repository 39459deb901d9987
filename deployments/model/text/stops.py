"""Stop strings over a stream. In: text as it comes. Out: the text that is certain to stay.

The text ends before the stop string that is complete first, however the stream is cut into pieces.
"""

from collections.abc import Sequence


class StopMatcher:
    """Holds back text that may be the start of a stop string, and ends at the first whole one.

    Each stop string is matched by Knuth, Morris and Pratt's algorithm ("Fast Pattern Matching in
    Strings", 1977): a character costs a bounded number of steps on average, however long the stop
    strings are and whatever has come before. Of two that end together the longer one counts.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [
            _Pattern(stop) for stop in sorted(filter(None, stops), key=len, reverse=True)
        ]
        self._held = ""
        self._read = 0
        self.end: int | None = None  # characters of all that was pushed, up to the match's end

    def push(self, text: str) -> tuple[str, bool]:
        """Returns (text that may be shown, whether a stop string was met).

        Call no more after True.
        """
        if not self._stops:
            return text, False
        held = len(self._held)
        whole = self._held + text
        for at, character in enumerate(text, 1):
            for pattern in self._stops:
                if pattern.push(character):
                    self.end = self._read + at
                    return whole[: held + at - pattern.length], True
        self._read += len(text)
        keep = max(pattern.matched for pattern in self._stops)
        self._held = whole[len(whole) - keep :]
        return whole[: len(whole) - keep], False

    def flush(self) -> str:
        """The text held back, once no more can come."""
        text, self._held = self._held, ""
        return text


class _Pattern:
    """One stop string; `matched` is the length of its longest prefix that the text ends with."""

    __slots__ = ("_failure", "_text", "length", "matched")

    def __init__(self, text: str) -> None:
        self._text = text
        self.length = len(text)
        self.matched = 0
        self._failure = _failure(text)

    def push(self, character: str) -> bool:
        """Whether the string is complete with this character. Call no more after True."""
        matched = self.matched
        while matched and self._text[matched] != character:
            matched = self._failure[matched]
        if self._text[matched] == character:
            matched += 1
        self.matched = matched
        return matched == self.length


def _failure(text: str) -> list[int]:
    """For each length of a prefix, the length of its longest proper prefix that also ends it."""
    table = [0, 0]
    matched = 0
    for character in text[1:]:
        while matched and text[matched] != character:
            matched = table[matched]
        if text[matched] == character:
            matched += 1
        table.append(matched)
    return table
