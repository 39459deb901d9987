"""Removes the names of special tokens from text that a caller wrote.

In: text. Out: the same text, which spells no special token any more, in one pass.
"""

import re
from collections.abc import Iterable


class SpecialTokenFilter:
    """A stack of the characters kept so far: whenever its top spells a name, the name is popped.

    Popping joins what stood before the name to what follows it, so names that were wrapped around
    each other go too. Linear in the text, times the number of different lengths of names. Where no
    name overlaps another (none begins with what another ends with, none contains another) the
    result is that of removing names until none is left, in any order.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(filter(None, names))
        self._lengths = sorted({len(name) for name in self._names}, reverse=True)
        self._endings = frozenset(name[-2:] for name in self._names)
        last = "".join(sorted({re.escape(name[-1]) for name in self._names}))
        self._last = re.compile(f"[{last}]" if last else r"(?!)")

    def remove(self, text: str) -> str:
        """`text` without any special token's name."""
        if not any(name in text for name in self._names):
            return text
        kept: list[str] = []
        at = 0
        for match in self._last.finditer(text):  # a name is complete only at its last character
            kept += text[at : match.end()]
            at = match.end()
            self._pop(kept)
        kept += text[at:]
        return "".join(kept)

    def _pop(self, kept: list[str]) -> None:
        """Take the longest name off the end, if there is one."""
        if "".join(kept[-2:]) not in self._endings and kept[-1] not in self._endings:
            return
        end = "".join(kept[-self._lengths[0] :])
        for length in self._lengths:
            if end[-length:] in self._names:
                del kept[-len(end[-length:]) :]
                return
