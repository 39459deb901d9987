"""The beginnings of what a regular expression matches, as another regular expression.

In: an expression in the common syntax of RE2 and Python. Out: one of RE2 that matches every
beginning of every match, the whole match too. At the end of a text it finds what may still become a
match. Python's own parser reads the expression.
"""

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

MAX_WIDTH = 256  # characters that a match may have in streams
_parser, _constants = import_module("re._parser"), import_module("re._constants")
_ONE_CHARACTER = frozenset(("LITERAL", "NOT_LITERAL", "ANY", "IN"))
_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}
_ANCHORS = {
    "AT_BEGINNING": "^",
    "AT_BEGINNING_STRING": r"\A",
    "AT_BOUNDARY": r"\b",
    "AT_NON_BOUNDARY": r"\B",
    "AT_END": "$",
}
_FLAGS = {2: "i", 8: "m", 16: "s"}


class InvalidExpression(ValueError):
    """The text says what is wrong with an expression."""


def prefix_expression(pattern: str, max_width: int | None = None) -> str:
    """The expression of the beginnings. Raises InvalidExpression for one that can match nothing at
    all, more than `max_width` characters, or that has parts which only one of the syntaxes knows.
    """
    try:
        tree = _parser.parse(pattern)
    except (re.error, OverflowError) as error:
        raise InvalidExpression(str(error)) from None
    least, most = tree.getwidth()
    if least == 0:
        raise InvalidExpression("it matches the empty text")
    if max_width is not None and most > max_width:
        raise InvalidExpression(
            f"it may match more than {max_width} characters; give its repetitions a limit, "
            "as in {1,20}, or let the rule apply to input only"
        )
    return _flagged(tree.state.flags, _beginnings(tree))


def _beginnings(items: Sequence[Any]) -> str:
    """Of a sequence: those of its first part, or that part whole and then those of the rest."""
    expression = ""
    for item in reversed(list(items)):
        expression = _beginning(item) + (f"|{_whole(item)}{expression}" if expression else "")
        expression = f"(?:{expression})"
    return expression or "(?:)"


def _beginning(item: Any) -> str:
    """Of one part, the empty one included."""
    kind, value = str(item[0]), item[1]
    match kind:
        case _ if kind in _ONE_CHARACTER:
            return f"(?:{_whole(item)})?"
        case "AT":
            return "(?:)"
        case "MAX_REPEAT" | "MIN_REPEAT":
            _, most, body = value
            before = "*" if most == _constants.MAXREPEAT else f"{{0,{max(0, most - 1)}}}"
            return f"(?:{_all(body)}){before}{_beginnings(body)}"
        case "SUBPATTERN":
            return _scoped(value[1], value[2], _beginnings(value[3]))
        case "BRANCH":
            return f"(?:{'|'.join(map(_beginnings, value[1]))})"
    raise InvalidExpression(f"{kind.lower()} is not supported")


def _all(items: Sequence[Any]) -> str:
    return "".join(map(_whole, items))


def _whole(item: Any) -> str:
    """One part as it was written."""
    kind, value = str(item[0]), item[1]
    if kind in _ONE_CHARACTER:
        return _one_character(kind, value)
    match kind:
        case "AT" if str(value) in _ANCHORS:
            return _ANCHORS[str(value)]
        case "MAX_REPEAT" | "MIN_REPEAT":
            least, most, body = value
            upper = "" if most == _constants.MAXREPEAT else most
            return f"(?:{_all(body)}){{{least},{upper}}}"
        case "SUBPATTERN":
            return _scoped(value[1], value[2], _all(value[3]))
        case "BRANCH":
            return f"(?:{'|'.join(map(_all, value[1]))})"
    raise InvalidExpression(f"{kind.lower()} is not supported")


def _one_character(kind: str, value: Any) -> str:
    if kind == "LITERAL":
        return _character(value)
    if kind == "NOT_LITERAL":
        return f"[^{_character(value)}]"
    return "." if kind == "ANY" else f"[{''.join(map(_member, value))}]"


def _member(member: Any) -> str:
    kind, value = str(member[0]), member[1]
    if kind == "NEGATE":
        return "^"
    if kind == "RANGE":
        return f"{_character(value[0])}-{_character(value[1])}"
    return _character(value) if kind == "LITERAL" else _CATEGORIES[str(value)]


def _character(code: int) -> str:
    return f"\\x{{{code:x}}}"


def _scoped(added: int, removed: int, expression: str) -> str:
    on, off = _names(added), _names(removed)
    return f"(?{on}{'-' if off else ''}{off}:{expression})"


def _flagged(flags: int, expression: str) -> str:
    return f"(?{_names(flags)}){expression}" if _names(flags) else expression


def _names(flags: int) -> str:
    return "".join(name for flag, name in _FLAGS.items() if flags & flag)
