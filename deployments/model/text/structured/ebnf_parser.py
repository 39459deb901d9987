"""A caller's own EBNF grammar to nodes: the dialect of xgrammar and vLLM, without look-ahead.

`name ::= expression`, on one line or several; strings, classes, groups, `|`, `* + ? {m,n}` and `#`
comments; `root` is where a text begins. Rules are renamed; nothing of the caller's text gets into
the grammar that an engine reads.
"""

import re
from typing import NoReturn

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.model.text.structured.limits import MAX_BYTES, MAX_DEPTH, MAX_REPEATS
from deployments.model.text.structured.nodes import (
    Node,
    RuleReference,
    alternation,
    concatenation,
    literal,
    repetition,
)
from deployments.model.text.structured.regex_parser import parse_regex
from deployments.model.text.structured.rules import RuleSet

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+|\#[^\n]*)
    |(?P<rule>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*::=
    |(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)
    |"(?P<text>(?:[^"\\\n]|\\.)*)"
    |(?P<class>\[(?:[^\]\\\n]|\\.)+\])
    |(?P<repeat>[*+?]|\{[0-9]{1,6}(?:,[0-9]{0,6})?\})
    |(?P<sign>[()|])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))|([^\\]+)")
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "b": "\b", "v": "\v", "0": "\0"}
_BOUNDS = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def parse_ebnf(text: str, where: str, rules: RuleSet) -> Node:
    """The node of the rule `root`. Raises InvalidRequest, naming `where`."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise InvalidRequest(f"{where} has {size} bytes; the most is {MAX_BYTES}.", param=where)
    return _EbnfParser(text, where, rules).parse()


class _EbnfParser:
    """Recursive descent over the tokens; each is (kind, text, line)."""

    def __init__(self, text: str, where: str, rules: RuleSet) -> None:
        self._where = where
        self._rules = rules
        self._names: dict[str, RuleReference] = {}
        self._defined: set[str] = set()
        self._depth = 0
        self._tokens = self._tokenize(text)
        self._at = 0

    def parse(self) -> Node:
        while self._kind() != "end":
            kind, name, _ = self._next()
            if kind != "rule":
                self._broken(f"'{name}' outside of a rule")
            if name in self._defined:
                self._broken(f"two rules named '{name}'")
            self._defined.add(name)
            self._rules.define(self._alternatives(), self._reference(name))
        for name in self._names:
            if name not in self._defined:
                self._broken(f"the rule '{name}' used and not defined")
        if "root" not in self._defined:
            self._broken("no rule named 'root'")
        return self._names["root"]

    def _alternatives(self) -> Node:
        options = [self._sequence()]
        while self._tokens[self._at][:2] == ("sign", "|"):
            self._at += 1
            options.append(self._sequence())
        return alternation(*options)

    def _sequence(self) -> Node:
        items: list[Node] = []
        while self._kind() not in ("rule", "end") and self._tokens[self._at][1:2] != ("|",):
            if self._tokens[self._at][:2] == ("sign", ")"):
                break
            items.append(self._repeated(self._item()))
        return concatenation(*items)

    def _item(self) -> Node:
        kind, text, _ = self._next()
        if kind == "repeat":
            self._broken(f"'{text}' with nothing to repeat")
        if kind == "name":
            return self._reference(text)
        if kind == "text":
            return literal(self._unescape(text))
        return parse_regex(text, self._where) if kind == "class" else self._group()

    def _group(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._broken(f"groups nested deeper than {MAX_DEPTH}")
        body = self._alternatives()
        if self._next()[:2] != ("sign", ")"):
            self._broken("an unclosed '('")
        self._depth -= 1
        return body

    def _repeated(self, item: Node) -> Node:
        while self._kind() == "repeat":
            text = self._next()[1]
            if text in _BOUNDS:
                least, most = _BOUNDS[text]
            else:
                low, comma, high = text[1:-1].partition(",")
                least = int(low)
                most = least if not comma else int(high) if high else None
            if most is not None and most < least:
                self._broken("a repeat whose bounds are in the wrong order")
            if max(least, most or 0) > MAX_REPEATS:
                raise UnsupportedParameter(
                    self._where, f"grammars here have no counted repeat above {MAX_REPEATS}."
                )
            item = repetition(item, least, most)
        return item

    def _reference(self, name: str) -> RuleReference:
        if name not in self._names:
            self._names[name] = self._rules.reserve()
        return self._names[name]

    def _unescape(self, text: str) -> str:
        parts: list[str] = []
        for match in _ESCAPE.finditer(text):
            four, eight, two, short, plain = match.groups()
            if plain is not None:
                parts.append(plain)
            elif short is not None:
                if short.isalnum() and short not in _CONTROLS:
                    self._broken(f"the escape '\\{short}'")
                parts.append(_CONTROLS.get(short, short))
            else:
                code = int(four or eight or two, 16)
                if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                    self._broken("an escape that is no character")
                parts.append(chr(code))
        return "".join(parts)

    def _tokenize(self, text: str) -> list[tuple[str, str, int]]:
        tokens: list[tuple[str, str, int]] = []
        at, line = 0, 1
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None or (match.lastgroup == "sign" and text.startswith("(=", at)):
                raise InvalidRequest(
                    f"{self._where}: line {line} of the grammar has something unknown at "
                    f"{text[at : at + 12]!r}.",
                    param=self._where,
                )
            kind = match.lastgroup or ""
            if kind != "space":
                tokens.append((kind, match[kind], line))
            line += match[0].count("\n")
            at = match.end()
        tokens.append(("end", "", line))
        return tokens

    def _kind(self) -> str:
        return self._tokens[self._at][0]

    def _next(self) -> tuple[str, str, int]:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _broken(self, what: str) -> NoReturn:
        line = self._tokens[min(self._at, len(self._tokens) - 1)][2]
        raise InvalidRequest(
            f"{self._where}: the grammar has {what} (line {line}).", param=self._where
        )
