"""JSON's own text as grammar nodes: strings, escapes and literal values, compact and canonical.

Canonical: no white space, characters as they are, the short escapes, and `\\u00xx` for the other
control characters. An engine follows a repeated class at no cost, and a repeated alternative at
three times the cost of free text: so strings are runs of plain characters between escapes
(docs/decisions/0088-structured-output.md).
"""

from typing import Any

import orjson

from deployments.model.text.structured.nodes import (
    Alternation,
    CharacterClass,
    Concatenation,
    LiteralText,
    Node,
    Ranges,
    Repetition,
    RuleReference,
    alternation,
    character_class,
    characters,
    concatenation,
    intersect_ranges,
    invert_ranges,
    literal,
    repetition,
)

_ESCAPED = ((0x01, 0x1F), (0x22, 0x22), (0x5C, 0x5C))
_PLAIN = invert_ranges(_ESCAPED)
_SHORT = {0x08: "b", 0x09: "t", 0x0A: "n", 0x0C: "f", 0x0D: "r", 0x22: '"', 0x5C: "\\"}
_ESCAPE = concatenation(
    literal("\\"),
    alternation(
        characters('"\\bfnrt'),
        concatenation(literal("u00"), characters("01"), characters("0123456789abcdefABCDEF")),
    ),
)

_PLAIN_CHARACTER = character_class(_PLAIN)


def value_text(value: Any) -> Node:
    """Exactly this value."""
    return literal(orjson.dumps(value).decode())


def any_content(least: int = 0, most: int | None = None) -> Node:
    """The content of a string of `least` to `most` characters. With a `most` it has no escapes."""
    if most is not None:
        return repetition(_PLAIN_CHARACTER, least, most)
    return _runs(_PLAIN_CHARACTER, _ESCAPE, least)


def quoted(content: Node) -> Node:
    """A string whose JSON text between the quotes is `content`."""
    return concatenation(literal('"'), content, literal('"'))


def string_content(node: Node) -> Node:
    """What `node` describes, as the content of a JSON string."""
    match node:
        case LiteralText(text):
            return literal(orjson.dumps(text).decode()[1:-1])
        case CharacterClass(ranges):
            return _class_content(ranges)
        case Concatenation(items):
            return concatenation(*map(string_content, items))
        case Alternation(options):
            return alternation(*map(string_content, options))
        case Repetition(CharacterClass(ranges), least, most):
            return _repeated_class(ranges, least, most)
        case Repetition(item, least, most):
            return repetition(string_content(item), least, most)
        case RuleReference():
            return node


def _class_content(ranges: Ranges) -> Node:
    plain, escapes = intersect_ranges(ranges, _PLAIN), _escapes(ranges)
    if escapes is None:
        return character_class(plain)
    return alternation(character_class(plain), escapes) if plain else escapes


def _repeated_class(ranges: Ranges, least: int, most: int | None) -> Node:
    """Where the number of characters is bounded, those that need an escape are left out."""
    plain, escapes = intersect_ranges(ranges, _PLAIN), _escapes(ranges)
    if not plain:
        return repetition(_class_content(ranges), least, most)
    if escapes is None or most is not None:
        return repetition(character_class(plain), least, most)
    return _runs(character_class(plain), escapes, least)


def _runs(plain: Node, escape: Node, least: int) -> Node:
    """Runs of plain characters between escapes; the first `least` characters are plain."""
    more = repetition(concatenation(escape, repetition(plain, 0, None)), 0, None)
    return concatenation(repetition(plain, least, None), more)


def _escapes(ranges: Ranges) -> Node | None:
    """The characters of `ranges` that JSON writes as escapes."""
    special = intersect_ranges(ranges, _ESCAPED)
    if special == _ESCAPED:
        return _ESCAPE
    codes = [code for low, high in special for code in range(low, high + 1)]
    texts = [literal("\\" + _SHORT.get(code, f"u{code:04x}")) for code in codes]
    return alternation(*texts) if texts else None
