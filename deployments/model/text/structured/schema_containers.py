"""Objects and arrays of a JSON Schema.

Members come in the order of `properties`. Objects with properties are closed: the model adds none.
"""

from collections.abc import Callable
from typing import Any

from deployments.model.text.structured.json_text import value_text
from deployments.model.text.structured.limits import MAX_REPEATS
from deployments.model.text.structured.nodes import (
    EMPTY,
    Node,
    alternation,
    concatenation,
    literal,
    optional,
    repetition,
)
from deployments.model.text.structured.rules import RuleSet, mapping
from deployments.model.text.structured.schema_keywords import (
    Schema,
    below,
    count,
    invalid,
    schemas,
    unsupported,
)

Compile = Callable[[Any, str], Node]  # a schema and its pointer


def object_node(schema: Schema, where: str, rules: RuleSet, compile_schema: Compile) -> Node:
    """The objects of `schema`."""
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    others = schema.get("additionalProperties", True)
    if not isinstance(properties, dict):
        invalid(below(where, "properties"), "it must be an object of schemas.")
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        invalid(below(where, "required"), "it must be a list of names.")
    for name in required:
        if name not in properties and others is False:
            invalid(below(where, "required"), f"{name!r} is neither a property nor allowed.")
    if not properties and not required:
        return _free_object(others, where, rules, compile_schema)
    members: list[tuple[Node, bool]] = []
    for name in [*properties, *dict.fromkeys(n for n in required if n not in properties)]:
        known = name in properties
        path = below(below(where, "properties"), name) if known else below(where, "required")
        value = compile_schema(properties[name] if known else others, path)
        member = concatenation(value_text(name), literal(":"), value)
        members.append((member, name in required))
    return concatenation(literal("{"), _joined(members, rules), literal("}"))


def _free_object(others: Any, where: str, rules: RuleSet, compile_schema: Compile) -> Node:
    if others is False:
        return literal("{}")
    if others is True or others == {}:
        return rules.object()
    return mapping(rules.string(), compile_schema(others, below(where, "additionalProperties")))


def _joined(members: list[tuple[Node, bool]], rules: RuleSet) -> Node:
    """Members with commas between those that are there."""
    needed = [index for index, (_, required) in enumerate(members) if required]
    if needed:
        first = needed[0]
        before = [optional(concatenation(member, literal(","))) for member, _ in members[:first]]
        after = [_after_comma(member, required) for member, required in members[first + 1 :]]
        return concatenation(*before, members[first][0], *after)
    if len(members) == 1:
        return optional(members[0][0])
    shared = [rules.define(member) for member, _ in members]
    rest: Node = EMPTY
    options: list[Node] = [EMPTY]
    for member in reversed(shared):
        options.append(concatenation(member, rest))
        rest = rules.define(concatenation(_after_comma(member, required=False), rest))
    return alternation(*options)


def _after_comma(member: Node, required: bool) -> Node:
    node = concatenation(literal(","), member)
    return node if required else optional(node)


def array_node(
    schema: Schema, where: str, rules: RuleSet, compile_schema: Compile
) -> tuple[Node, bool]:
    """The arrays of `schema`, and whether their length is left for a check of the finished text."""
    first = schemas(schema, "prefixItems", where) if "prefixItems" in schema else []
    least, most = _lengths(schema, where, len(first))
    items = schema.get("items", not first or least > len(first))
    if isinstance(items, list):
        unsupported(below(where, "items"), "a list of schemas is prefixItems.")
    relaxed = most is not None and most > MAX_REPEATS
    most = None if relaxed else most
    nodes = [
        compile_schema(each, below(below(where, "prefixItems"), index))
        for index, each in enumerate(first[:most])
    ]
    rest: Node = EMPTY
    if items is not False and (most is None or most > len(nodes)):
        item = rules.define(compile_schema(items, below(where, "items")))
        rest = _more(
            item, max(0, least - len(nodes)), None if most is None else most - len(nodes), not nodes
        )
    for index in reversed(range(len(nodes))):
        rest = concatenation(literal(",") if index else EMPTY, nodes[index], rest)
        if index >= least:
            rest = optional(rest)
    return concatenation(literal("["), rest, literal("]")), relaxed


def _lengths(schema: Schema, where: str, first: int) -> tuple[int, int | None]:
    """The fewest and the most items; `first` of them have schemas of their own."""
    least = count(schema, "minItems", where) or 0
    most = count(schema, "maxItems", where)
    if schema.get("items") is False:
        most = first if most is None else min(most, first)
    if most is not None and most < least:
        invalid(below(where, "minItems"), f"there are {most} items at most.")
    if least > MAX_REPEATS:
        unsupported(below(where, "minItems"), f"above {MAX_REPEATS} it cannot be held to.")
    return least, most


def _more(item: Node, least: int, most: int | None, first: bool) -> Node:
    """Items `least` to `most`, each after a comma; the first one without where it is `first`."""
    following = concatenation(literal(","), item)
    if not first:
        return repetition(following, least, most)
    if most == 0:
        return EMPTY
    rest = repetition(following, max(0, least - 1), None if most is None else most - 1)
    node = concatenation(item, rest)
    return node if least else optional(node)
