"""Prints a grammar as compact EBNF: the dialect that xgrammar reads (github.com/mlc-ai/xgrammar,
docs: "EBNF grammar"), in ASCII, with `root` as the first rule.
"""

from collections.abc import Mapping

from deployments.model.text.structured.nodes import (
    Alternation,
    CharacterClass,
    Concatenation,
    LiteralText,
    Node,
    Repetition,
    RuleReference,
)

ROOT = "root"
_PLAIN_IN_TEXT = frozenset(map(chr, range(32, 127))) - {'"', "\\"}
_PLAIN_IN_CLASS = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !\"#%&',:;<=>@_`~"
)
_SUFFIX = {(0, None): "*", (1, None): "+", (0, 1): "?"}


def print_grammar(root: Node, rules: Mapping[str, Node]) -> str:
    """The rules, one a line."""
    lines = [f"{ROOT} ::= {_print(root)}"]
    lines += [f"{name} ::= {_print(node)}" for name, node in rules.items()]
    return "\n".join(lines)


def _print(node: Node) -> str:
    match node:
        case LiteralText(text):
            return '"' + "".join([_escape(c, _PLAIN_IN_TEXT) for c in text]) + '"'
        case CharacterClass(ranges):
            return "[" + "".join([_range(low, high) for low, high in ranges]) + "]"
        case RuleReference(name):
            return name
        case Repetition(item, least, most):
            return _grouped(item, (Concatenation, Alternation, Repetition)) + _suffix(least, most)
        case Concatenation(items):
            return " ".join([_grouped(item, (Alternation,)) for item in items])
        case Alternation(options):
            return " | ".join(map(_print, options))


def _grouped(node: Node, kinds: tuple[type, ...]) -> str:
    return f"({_print(node)})" if isinstance(node, kinds) else _print(node)


def _suffix(least: int, most: int | None) -> str:
    known = _SUFFIX.get((least, most))
    if known is not None:
        return known
    if least == most:
        return f"{{{least}}}"
    return f"{{{least},{'' if most is None else most}}}"


def _range(low: int, high: int) -> str:
    first, last = _escape(chr(low), _PLAIN_IN_CLASS), _escape(chr(high), _PLAIN_IN_CLASS)
    if low == high:
        return first
    return first + last if high == low + 1 else f"{first}-{last}"


def _escape(character: str, plain: frozenset[str]) -> str:
    if character in plain:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
