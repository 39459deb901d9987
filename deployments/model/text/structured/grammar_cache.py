"""The compiled grammars of one model, the most recently used ones."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol

from deployments.contracts.generation import OutputFormat
from deployments.model.text.structured.compiler import Grammar, compile_output

_ENTRIES = 512
_CHARACTERS = 8 << 20  # of definitions and grammars, together
_LONG = 512  # characters of a definition: compiling more may take over 2 ms, and leaves the loop


class Threads(Protocol):
    """Runs work outside of the event loop."""

    def run(
        self, work: Callable[[OutputFormat], Grammar], argument: OutputFormat, /
    ) -> Awaitable[Grammar]: ...


class GrammarCache:
    """Compiles each format once, while it is remembered."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._grammars: OrderedDict[OutputFormat, Grammar] = OrderedDict()
        self._characters = 0

    async def compile(self, output_format: OutputFormat) -> Grammar:
        """Raises what `compile_output` raises; refusals are not remembered."""
        grammar = self._grammars.get(output_format)
        if grammar is not None:
            self._grammars.move_to_end(output_format)
            return grammar
        if len(output_format.definition) <= _LONG:
            grammar = compile_output(output_format)
        else:
            grammar = await self._threads.run(compile_output, output_format)
        self._remember(output_format, grammar)
        return grammar

    def _remember(self, output_format: OutputFormat, grammar: Grammar) -> None:
        if output_format in self._grammars:
            return
        self._grammars[output_format] = grammar
        self._characters += _size(output_format, grammar)
        while len(self._grammars) > _ENTRIES or self._characters > _CHARACTERS:
            self._characters -= _size(*self._grammars.popitem(last=False))


def _size(output_format: OutputFormat, grammar: Grammar) -> int:
    return len(output_format.definition) + len(grammar.ebnf)
