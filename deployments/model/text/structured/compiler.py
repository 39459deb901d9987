"""What a response must be, compiled: an `OutputFormat` in, a `Grammar` out.

    grammar = compile_output(OutputFormat("json_schema", '{"type": "integer"}'))
    grammar.ebnf              # for an engine
    grammar.accepts("12")     # for the finished text

Grammars of several schemas and literals, such as forced tool calls, are put together from nodes:

    rules = RuleSet()
    calls = []
    for tool in tools:
        arguments = compile_schema(tool.parameters, where, rules)
        begin, end = literal('{"name":"%s","arguments":' % tool.name), literal("}")
        calls.append(concatenation(begin, arguments.node, end))
    grammar = build_grammar(alternation(*calls), rules, "tools")

`SchemaNode.accepts` then checks the arguments of a finished call. Everything here is pure, and
linear in its input, which is at most 64 KiB.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.generation import OutputFormat
from deployments.model.text.structured.ambiguity import check_ambiguity
from deployments.model.text.structured.choices import choice_node
from deployments.model.text.structured.ebnf import print_grammar
from deployments.model.text.structured.ebnf_parser import parse_ebnf
from deployments.model.text.structured.limits import (
    MAX_BYTES,
    check_grammar,
    reachable_rules,
)
from deployments.model.text.structured.nodes import Node
from deployments.model.text.structured.regex_parser import parse_regex
from deployments.model.text.structured.repeats import check_repeats
from deployments.model.text.structured.rules import RuleSet
from deployments.model.text.structured.schema_compiler import SchemaCompiler
from deployments.model.text.structured.schema_validator import SchemaValidator


@dataclass(frozen=True, slots=True)
class Grammar:
    """`ebnf` is what engines hold a response to; `accepts` checks a finished one. They differ only
    in limits that are too large for an engine (`maxLength` or `maxItems` above 100).
    """

    ebnf: str
    accepts: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class SchemaNode:
    """The JSON texts of a schema, for a larger grammar; `accepts` checks a finished one."""

    node: Node
    accepts: Callable[[str], bool]


def compile_output(output_format: OutputFormat) -> Grammar:
    """The grammar of a response; `output_format.param` names the request's field in problems.

    Raises UnsupportedParameter for what is outside of the subset, with a JSON pointer into a
    schema, and InvalidRequest for what no response could follow or what is too large.
    """
    definition, where, rules = output_format.definition, output_format.param, RuleSet()
    match output_format.kind:
        case "json_object":
            return build_grammar(rules.object(), rules, where, _is_object)
        case "json_schema":
            schema = compile_schema(definition, where, rules)
            return build_grammar(schema.node, rules, where, schema.accepts)
        case "regex":
            return _build_own(parse_regex(definition, where), rules, where)
        case "choice":
            choices = parse_choices(definition, where)
            return build_grammar(
                choice_node(choices), rules, where, frozenset(choices).__contains__
            )
        case "grammar":
            return _build_own(parse_ebnf(definition, where, rules), rules, where)


def compile_schema(definition: str, where: str, rules: RuleSet) -> SchemaNode:
    """A JSON Schema, given as text, as a node over `rules`. Raises as `compile_output` does."""
    compiler = SchemaCompiler(parse_definition(definition, where), where, rules)
    node = compiler.compile()
    check = _SchemaCheck(compiler.validator if compiler.relaxed else None)
    return SchemaNode(node, check.accepts)


def build_grammar(
    root: Node, rules: RuleSet, where: str, accepts: Callable[[str], bool] | None = None
) -> Grammar:
    """A checked grammar. Raises InvalidRequest where it could not end, or is too large."""
    used = reachable_rules(root, rules.nodes)
    check_grammar(root, used, where)
    return Grammar(print_grammar(root, used), accepts or _accept)


def _build_own(root: Node, rules: RuleSet, where: str) -> Grammar:
    """The grammar of a caller's own pattern or rules."""
    grammar = build_grammar(root, rules, where)
    check_repeats(root, rules.nodes, where)
    check_ambiguity(root, rules.nodes, where)
    return grammar


def parse_choices(definition: str, where: str) -> list[str]:
    """The texts of a choice. Raises InvalidRequest."""
    choices = parse_definition(definition, where)
    valid = isinstance(choices, list) and all(isinstance(each, str) for each in choices)
    if not valid or not choices or "" in choices:
        raise InvalidRequest(f"{where}: it must be a list of texts, none empty.", param=where)
    return choices


def parse_definition(definition: str, where: str) -> Any:
    """JSON of at most `MAX_BYTES`. Raises InvalidRequest."""
    size = len(definition.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise InvalidRequest(f"{where} has {size} bytes; the most is {MAX_BYTES}.", param=where)
    try:
        return orjson.loads(definition)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"{where}: it is no JSON ({error}).", param=where) from error


class _SchemaCheck:
    """Whether a text is JSON, and valid by `validator` where the grammar leaves a limit out."""

    def __init__(self, validator: SchemaValidator | None) -> None:
        self._validator = validator

    def accepts(self, text: str) -> bool:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return False
        return self._validator is None or self._validator.is_valid(value)


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _accept(text: str) -> bool:
    return True
