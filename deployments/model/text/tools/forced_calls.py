"""The grammars of responses that are calls.

In: tools and a format. Out: EBNF whose texts are calls with arguments that are valid by the tools'
schemas, so that even a model that does not choose sensibly makes valid calls.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.contracts.generation import OutputFormat, Tool, ToolSettings
from deployments.contracts.tool_calls import joined_calls
from deployments.model.text.structured.compiler import (
    Grammar,
    SchemaNode,
    build_grammar,
    compile_output,
    compile_schema,
)
from deployments.model.text.structured.nodes import (
    Node,
    alternation,
    concatenation,
    literal,
    repetition,
)
from deployments.model.text.structured.rules import RuleSet
from deployments.model.text.tools.call_parser import ToolCallParser
from deployments.model.text.tools.formats import ToolFormat

MAX_FORCED_CALLS = 8  # of one response

_Checks = dict[str, Callable[[str], bool]]


@dataclass(frozen=True, slots=True)
class CallGrammarSource:
    """What the grammar of a response with tools depends on."""

    format: ToolFormat
    settings: ToolSettings
    output_format: OutputFormat | None = None

    @property
    def is_checked(self) -> bool:
        """Whether schemas are to be compiled: to hold arguments to them, or for strict tools."""
        strict = any(tool.strict for tool in self.settings.tools)
        return strict or self.settings.mode == "required" or self.output_format is not None

    def parser(self, make_id: Callable[[int], str] = str) -> ToolCallParser:
        """A new parser of a response; it knows the mark that a forced prompt ends with."""
        settings = self.settings
        names = [settings.name] if settings.name else [tool.name for tool in settings.tools]
        parser = ToolCallParser(self.format.syntax, names, make_id, parallel=settings.parallel)
        if settings.mode == "required":
            parser.push(self.format.mark)
        return parser


def compile_calls(source: CallGrammarSource) -> Grammar:
    """The grammar of a response, without the mark that its prompt ends with.

    Where a call is forced: one call of the named tool, or where none is named one call or more of
    any tool; one only where calls are not to be parallel. Else, with an output format, either such
    calls or a text of the format. Else none: its EBNF is empty.

    Raises UnsupportedParameter and InvalidRequest, naming the field, for a schema that arguments
    cannot be held to where they have to be, or where a tool is strict.
    """
    if source.settings.mode == "required":
        return _forced(source)
    if source.output_format is not None:
        return _format_or_calls(source, source.output_format)
    for index, tool in enumerate(source.settings.tools):
        if tool.strict:
            rules = RuleSet()
            build_grammar(_arguments(tool, index, rules).node, rules, _where(index))
    return Grammar("", lambda _: True)


def _forced(source: CallGrammarSource) -> Grammar:
    rules, checks = RuleSet(), _Checks()
    root = _calls(source, rules, checks)

    def accepts(text: str) -> bool:
        return _are_valid_calls(source, checks, text)

    return build_grammar(root, rules, "tools", accepts)


def _format_or_calls(source: CallGrammarSource, output_format: OutputFormat) -> Grammar:
    if output_format.kind not in ("json_object", "json_schema"):
        raise UnsupportedParameter(output_format.param, "with tools, only JSON is a format.")
    if source.format.marks_are_tokens:
        raise UnsupportedParameter(
            output_format.param, "calls of this model are no text that a grammar could allow."
        )
    accepts_text = compile_output(output_format).accepts
    rules, checks = RuleSet(), _Checks()
    text = (
        rules.object()
        if output_format.kind == "json_object"
        else compile_schema(output_format.definition, output_format.param, rules).node
    )
    calls = concatenation(literal(source.format.mark), _calls(source, rules, checks))

    def accepts(text: str) -> bool:
        return _are_valid_calls(source, checks, text) or accepts_text(text)

    return build_grammar(alternation(text, calls), rules, "tools", accepts)


def _calls(source: CallGrammarSource, rules: RuleSet, checks: _Checks) -> Node:
    """The calls after the mark; adds what checks the arguments of each tool to `checks`."""
    format, settings = source.format, source.settings
    calls: list[Node] = []
    for index, tool in enumerate(settings.tools):
        if settings.name in ("", tool.name):
            schema = _arguments(tool, index, rules)
            checks[tool.name] = schema.accepts
            begin = literal(f"{format.start}{tool.name}{format.middle}")
            calls.append(concatenation(begin, schema.node, literal(format.end)))
    call: Node = rules.define(alternation(*calls))
    if settings.parallel and not settings.name:
        further = concatenation(literal(format.separator), call)
        call = concatenation(call, repetition(further, 0, MAX_FORCED_CALLS - 1))
    return concatenation(literal(format.first), call, literal(format.last))


def _are_valid_calls(source: CallGrammarSource, checks: _Checks, text: str) -> bool:
    """Grammars leave out limits that are too large for an engine."""
    parser = source.parser()
    pushed, flushed = parser.push(text), parser.flush()
    calls = joined_calls([pushed[1], flushed[1]])
    return bool(calls) and all(checks[call.name](call.arguments) for call in calls)


def _arguments(tool: Tool, index: int, rules: RuleSet) -> SchemaNode:
    """The texts of the arguments: always an object; without a schema it has no members."""
    schema = json.loads(tool.parameters)
    if not schema:
        return SchemaNode(literal("{}"), "{}".__eq__)
    if schema.get("type", "object") != "object":
        where = f"{_where(index)}/type"
        raise InvalidRequest(f"{where}: the arguments of a function are an object.", param=where)
    return compile_schema(json.dumps({"type": "object"} | schema), _where(index), rules)


def _where(index: int) -> str:
    return f"tools.{index}.function.parameters"
