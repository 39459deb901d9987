"""The compiled grammars of one model, the most recently used ones."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Protocol, TypeVar

from deployments.model.text.structured.compiler import Grammar

_ENTRIES = 512
_CHARACTERS = 8 << 20  # of definitions and grammars, together
_LONG = 512  # characters of a definition: compiling more may take over 2 ms, and leaves the loop

Source = TypeVar("Source", bound=Hashable)


class Threads(Protocol):
    """Runs work outside of the event loop."""

    def run(self, work: Callable[[Source], Grammar], argument: Source, /) -> Awaitable[Grammar]: ...


class GrammarCache:
    """Compiles each source once, while it is remembered."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._grammars: OrderedDict[Hashable, tuple[Grammar, int]] = OrderedDict()
        self._characters = 0

    async def compile(
        self, source: Source, compiler: Callable[[Source], Grammar], characters: int
    ) -> Grammar:
        """What `compiler` makes of `source`, whose length is `characters`. Raises what `compiler`
        raises; refusals are not remembered.
        """
        remembered = self._grammars.get(source)
        if remembered is not None:
            self._grammars.move_to_end(source)
            return remembered[0]
        if characters <= _LONG:
            grammar = compiler(source)
        else:
            grammar = await self._threads.run(compiler, source)
        self._remember(source, grammar, characters + len(grammar.ebnf))
        return grammar

    def _remember(self, source: Hashable, grammar: Grammar, size: int) -> None:
        if source in self._grammars:
            return
        self._grammars[source] = grammar, size
        self._characters += size
        while len(self._grammars) > _ENTRIES or self._characters > _CHARACTERS:
            self._characters -= self._grammars.popitem(last=False)[1][1]
