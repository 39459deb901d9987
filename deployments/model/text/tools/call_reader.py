"""One call as a model writes it, piece by piece: `{"name": ..., "arguments": {...}}`.

In: text from its opening brace on. Out: the name, and which part of the text are the arguments.
Members come in any order, `function` may stand for `name` and `parameters` for `arguments`; the
members `id` and `type` are ignored, and with any other it is no call. The name has to be one of a
given set, and the arguments an object.
"""

import re
from collections.abc import Collection
from typing import Literal

from deployments.model.text.tools.json_scanner import JsonScanner, skip_blanks

_WORD = re.compile(r"[A-Za-z0-9_-]*")
_LONGEST_WORD = 64
_NAME_KEYS = frozenset({"name", "function"})
_ARGUMENT_KEYS = frozenset({"arguments", "parameters"})
_IGNORED_KEYS = frozenset({"id", "type"})

_State = Literal[
    "begin", "first key", "next key", "key", "colon", "value", "name", "ignored", "arguments", "end"
]


class CallReader:
    """Scan one call: call `scan` until `closed` or `invalid`.

    `begun` says that the arguments have begun, `ended` that they have ended.
    """

    def __init__(self, names: Collection[str], *, name: str = "") -> None:
        """With `name` the text begins with that function's arguments and ends with them."""
        self.name = name
        self.begun = self.ended = False
        self.closed = self.invalid = False
        self._names = names
        self._bare = bool(name)
        self._state: _State = "begin"
        self._word = ""
        self._key = ""
        self._value = JsonScanner()
        if name:
            self._begin_arguments()

    @property
    def in_arguments(self) -> bool:
        """Whether the next character is read as one of the arguments."""
        return self._state == "arguments"

    def scan(self, text: str, at: int) -> int:
        """Read on from `at` within one part of the call; the position of the first character that
        was not taken, such as the one that makes it invalid.
        """
        if self._state in ("name", "key"):
            return self._scan_word(text, at)
        if self._state in ("arguments", "ignored"):
            return self._scan_value(text, at)
        at = skip_blanks(text, at)
        return self._punctuation(text[at], at) if at < len(text) else at

    def _punctuation(self, character: str, at: int) -> int:
        state = self._state
        if state == "begin" and character == "{":
            self._state = "first key"
        elif state in ("first key", "next key") and character == '"':
            self._state, self._word = "key", ""
        elif state == "colon" and character == ":":
            self._state = "value"
        elif state == "end" and character == ",":
            self._state = "next key"
        elif state in ("end", "first key") and character == "}":
            self.closed = True
        elif state == "value":
            return self._begin_value(character, at)
        else:
            self.invalid = True
            return at
        return at + 1

    def _begin_value(self, character: str, at: int) -> int:
        """The position: an object is scanned from its brace on, a name from after its quote on."""
        if self._key in _ARGUMENT_KEYS and character == "{" and not self.begun:
            self._begin_arguments()
            return at
        if self._key in _NAME_KEYS and character == '"' and not self.name:
            self._state, self._word = "name", ""
            return at + 1
        if self._key in _IGNORED_KEYS:
            self._state, self._value = "ignored", JsonScanner()
            return at
        self.invalid = True
        return at

    def _begin_arguments(self) -> None:
        self._state, self._value, self.begun = "arguments", JsonScanner(), True

    def _scan_word(self, text: str, at: int) -> int:
        match = _WORD.match(text, at, at + _LONGEST_WORD + 1)
        end = at if match is None else match.end()
        self._word += text[at:end]
        if len(self._word) > _LONGEST_WORD:
            self.invalid = True
        elif end < len(text):
            if text[end] == '"' and self._end_word():
                return end + 1
            self.invalid = True
        return end

    def _end_word(self) -> bool:
        word = self._word
        if self._state == "key":
            self._key, self._state = word, "colon"
            return word in _NAME_KEYS or word in _ARGUMENT_KEYS or word in _IGNORED_KEYS
        self._state = "end"
        if word in self._names:
            self.name = word
        return word in self._names

    def _scan_value(self, text: str, at: int) -> int:
        value = self._value
        end = value.scan(text, at)
        self.invalid = value.invalid
        if value.done:
            self.ended = self.ended or self._state == "arguments"
            self.closed = self._bare
            self._state = "end"
        return end
