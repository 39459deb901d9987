"""What the responses to one request have to be: of a format, of any text, of calls of tools.

In: a request. Out: its `Constraint`, or a refusal that names the field. Knows what the engine and
the model can do, and remembers compiled grammars.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cluster.runtime.problems import UnsupportedParameter
from deployments.contracts.engine import Engine
from deployments.contracts.generation import GenerateRequest, Sampling
from deployments.model.text.structured.compiler import compile_output
from deployments.model.text.structured.grammar_cache import GrammarCache, Threads
from deployments.model.text.tools.calling import ToolCalling
from deployments.model.text.tools.forced_calls import compile_calls
from deployments.model.text.tools.formats import ToolFormat


@dataclass(frozen=True, slots=True)
class Constraint:
    """`grammar` is the EBNF of a response (empty: any text), and `accepts` says of a finished one
    whether it keeps to it. `tools` are what may be called. A `forced` response is calls and nothing
    else: its grammar ends it, no stop string does.
    """

    grammar: str = ""
    accepts: Callable[[str], bool] | None = None
    tools: ToolCalling | None = None
    forced: bool = False

    def stop_ids(self, sampling: Sampling, eos_ids: frozenset[int]) -> frozenset[int]:
        """What ends a sequence. A forced call ends by itself, whatever else is asked for."""
        if self.forced:
            return eos_ids
        own = frozenset(sampling.stop_token_ids)
        return own if sampling.ignore_eos else eos_ids | own


FREE = Constraint()


class ConstraintResolver:
    """Resolves the constraints of one model's requests."""

    def __init__(
        self, engine: Engine, tool_format: ToolFormat | None, model: str, threads: Threads
    ) -> None:
        """`model` is the id that problems name; long grammars are compiled in `threads`."""
        self._engine = engine
        self._tool_format = tool_format
        self._model = model
        self._grammars = GrammarCache(threads)

    async def resolve(self, request: GenerateRequest) -> Constraint:
        """Raises UnsupportedParameter for what this model or its engine cannot do, and
        InvalidRequest for what no response could keep to.
        """
        tools = ToolCalling.of(request, self._tool_format, self._model)
        forced = tools is not None and tools.is_forced
        output_format, engine = request.output_format, self._engine
        if "grammar" not in engine.supports:
            lacking = f"the engine of model '{self._model}' ({engine.name})"
            if forced:
                raise UnsupportedParameter("tool_choice", f"{lacking} cannot force a call.")
            if output_format is not None:
                raise UnsupportedParameter(
                    output_format.param, f"{lacking} has no structured output."
                )
        if output_format is not None and request.sampling.ignore_eos:
            raise UnsupportedParameter("ignore_eos", "a response of a format ends with it.")
        if tools is not None and not tools.source.is_checked:
            return Constraint(tools=tools)
        if tools is not None:
            size = request.tool_bytes
            grammar = await self._grammars.compile(tools.source, compile_calls, size)
        elif output_format is not None:
            size = len(output_format.definition)
            grammar = await self._grammars.compile(output_format, compile_output, size)
        else:
            return FREE
        return Constraint(grammar.ebnf, grammar.accepts if grammar.ebnf else None, tools, forced)
