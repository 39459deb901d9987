"""JSON's own text as grammar nodes: strings, escapes and literal values, compact and canonical.

Canonical: no white space, characters as they are, the short escapes, and `\\u00xx` for the other
control characters.
"""

from typing import Any

import orjson

from deployments.model.text.structured.nodes import (
    Alternation,
    CharacterClass,
    Concatenation,
    Node,
    Repetition,
    RuleReference,
    Text,
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

STRING_CHARACTER = alternation(character_class(_PLAIN), _ESCAPE)


def value_text(value: Any) -> Node:
    """Exactly this value."""
    return literal(orjson.dumps(value).decode())


def quoted(content: Node) -> Node:
    """A string whose JSON text between the quotes is `content`."""
    return concatenation(literal('"'), content, literal('"'))


def string_content(node: Node) -> Node:
    """What `node` describes, as the content of a JSON string."""
    match node:
        case Text(text):
            return literal(orjson.dumps(text).decode()[1:-1])
        case CharacterClass(ranges):
            return _class_content(ranges)
        case Concatenation(items):
            return concatenation(*map(string_content, items))
        case Alternation(options):
            return alternation(*map(string_content, options))
        case Repetition(item, least, most):
            return repetition(string_content(item), least, most)
        case RuleReference():
            return node


def _class_content(ranges: tuple[tuple[int, int], ...]) -> Node:
    plain = intersect_ranges(ranges, _PLAIN)
    special = intersect_ranges(ranges, _ESCAPED)
    options = [character_class(plain)] if plain else []
    if special == _ESCAPED:
        options.append(_ESCAPE)
    else:
        codes = [code for low, high in special for code in range(low, high + 1)]
        options += [literal("\\" + _SHORT.get(code, f"u{code:04x}")) for code in codes]
    return alternation(*options)
