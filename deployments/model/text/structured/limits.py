"""What a grammar may be: the bounds, and the checks that a finished grammar passes.

In: a root and its rules. Out: InvalidRequest where it is too large, never ends, or could stop an
engine. xgrammar accepts left recursion, loops over nothing and huge repeats, and an engine pays for
them in every step (docs/decisions/0088-structured-output.md).
"""

from collections.abc import Callable, Iterable, Mapping, Set
from typing import NoReturn

from cluster.runtime.problems import InvalidRequest
from deployments.model.text.structured.nodes import (
    Alternation,
    CharacterClass,
    Concatenation,
    LiteralText,
    Node,
    Repetition,
    RuleReference,
    children,
)

MAX_BYTES = 65_536  # of a schema, a grammar, a list of choices
MAX_DEPTH = 32  # of a schema, of groups
MAX_REPEATS = 100  # of a counted repeat; above it every step of the engine is slow
MAX_COUNTED = 300  # characters that the strings of one grammar count, equal strings once
MAX_SIZE = 16_000  # what an engine prepares, in characters (`size_of`)
MAX_RULES = 1_000
_CLASS = 8


def check_grammar(root: Node, rules: Mapping[str, Node], param: str) -> None:
    """Raises InvalidRequest, naming `param`, for a grammar that must not reach an engine."""
    nodes = [root, *rules.values()]
    if len(rules) > MAX_RULES:
        _refuse(param, f"it needs {len(rules)} rules; the most is {MAX_RULES}.")
    for node in nodes:
        _check_node(node, rules, param)
    size = sum(map(size_of, nodes))
    if size > MAX_SIZE:
        _refuse(param, f"its grammar has a size of {size}; the most is {MAX_SIZE}.")
    _check_endings(rules, param)
    nullable = _fixpoint(rules, _is_nullable)
    _check_loops(nodes, nullable, param)
    _check_left_recursion(rules, nullable, param)


def nullable_rules(rules: Mapping[str, Node]) -> Callable[[Node], bool]:
    """A test whether a node over `rules` may be empty."""
    nullable = _fixpoint(rules, _is_nullable)
    return lambda node: _is_nullable(node, nullable)


def reachable_rules(root: Node, rules: Mapping[str, Node]) -> dict[str, Node]:
    """The rules that a text may use, in the order of `rules`."""
    found: set[str] = set()
    waiting = list(references(root))
    while waiting:
        name = waiting.pop()
        if name in rules and name not in found:
            found.add(name)
            waiting += references(rules[name])
    return {name: node for name, node in rules.items() if name in found}


def size_of(node: Node) -> int:
    """Characters of `node`, counted repeats written out; a class counts as `_CLASS` of them: an
    engine compares it with its whole vocabulary. Linear in the nodes.
    """
    match node:
        case LiteralText(text):
            return len(text) + 1
        case CharacterClass(ranges):
            return _CLASS + len(ranges)
        case Repetition(item, least, most):
            return size_of(item) * max(1, least, most or 1)
    return 1 + sum(map(size_of, children(node)))


def references(node: Node) -> Iterable[str]:
    """The rules that `node` names."""
    if isinstance(node, RuleReference):
        yield node.name
    for child in children(node):
        yield from references(child)


def _check_node(node: Node, rules: Mapping[str, Node], param: str) -> None:
    if isinstance(node, RuleReference) and node.name not in rules:
        _refuse(param, f"the rule '{node.name}' is not defined.")
    if isinstance(node, Repetition) and max(node.least, node.most or 0) > MAX_REPEATS:
        _refuse(
            param, f"a counted repeat has {node.most or node.least}; the most is {MAX_REPEATS}."
        )
    for child in children(node):
        _check_node(child, rules, param)


def _check_endings(rules: Mapping[str, Node], param: str) -> None:
    """Every rule must describe at least one finite text."""
    ending = _fixpoint(rules, _ends)
    for name in rules:
        if name not in ending:
            _refuse(param, f"no finite text follows it (rule '{name}').")


def _check_loops(nodes: Iterable[Node], nullable: frozenset[str], param: str) -> None:
    for node in nodes:
        if isinstance(node, Repetition) and _is_nullable(node.item, nullable) and node.most != 1:
            _refuse(param, "it repeats what may be empty.")
        _check_loops(children(node), nullable, param)


def _check_left_recursion(rules: Mapping[str, Node], nullable: frozenset[str], param: str) -> None:
    starts = {name: frozenset(_starts(node, nullable)) for name, node in rules.items()}
    done: set[str] = set()
    for first in rules:
        path: list[tuple[str, list[str]]] = [(first, sorted(starts[first]))]
        open_names = {first}
        while path and first not in done:
            name, following = path[-1]
            if not following:
                path.pop()
                open_names.discard(name)
                done.add(name)
                continue
            successor = following.pop()
            if successor in open_names:
                _refuse(param, f"the rule '{successor}' begins with itself.")
            if successor not in done:
                open_names.add(successor)
                path.append((successor, sorted(starts[successor])))


def _starts(node: Node, nullable: frozenset[str]) -> Iterable[str]:
    """The rules that a text of `node` may begin with."""
    if isinstance(node, RuleReference):
        yield node.name
    elif isinstance(node, Concatenation):
        for item in node.items:
            yield from _starts(item, nullable)
            if not _is_nullable(item, nullable):
                return
    else:
        for child in children(node):
            yield from _starts(child, nullable)


def _fixpoint(rules: Mapping[str, Node], holds: Callable[[Node, Set[str]], bool]) -> frozenset[str]:
    """The least set of rules for which `holds`, given that it holds for the set."""
    users: dict[str, list[str]] = {}
    for name, node in rules.items():
        for used in set(references(node)):
            users.setdefault(used, []).append(name)
    found: set[str] = set()
    waiting = list(rules)
    while waiting:
        name = waiting.pop()
        if name not in found and holds(rules[name], found):
            found.add(name)
            waiting += users.get(name, ())
    return frozenset(found)


def _is_nullable(node: Node, nullable: Set[str]) -> bool:
    match node:
        case LiteralText(text):
            return not text
        case CharacterClass():
            return False
        case RuleReference(name):
            return name in nullable
        case Concatenation(items):
            return all(_is_nullable(item, nullable) for item in items)
        case Alternation(options):
            return any(_is_nullable(option, nullable) for option in options)
        case Repetition(item, least, _):
            return least == 0 or _is_nullable(item, nullable)


def _ends(node: Node, ending: Set[str]) -> bool:
    match node:
        case RuleReference(name):
            return name in ending
        case Concatenation(items):
            return all(_ends(item, ending) for item in items)
        case Alternation(options):
            return any(_ends(option, ending) for option in options)
        case Repetition(item, least, _):
            return least == 0 or _ends(item, ending)
    return True


def _refuse(param: str, why: str) -> NoReturn:
    raise InvalidRequest(f"{param}: {why}", param=param)
