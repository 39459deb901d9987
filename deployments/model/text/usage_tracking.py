"""The usage of each call of a model, also where no caller waits for its end.

In: sequences as they begin, grow and end. Out: a call's exact TokenUsage by the call's id: the
ingress asks for it when a client has left or a deadline has passed. A call uses its prompt from the
moment at which the engine takes its first sequence, and what is generated up to its end (up to a
stop string where one is met, see choice_decoder.py).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Self

from cluster.runtime.problems import ClientGone
from deployments.contracts.engine import Tokens
from deployments.contracts.generation import TokenUsage
from deployments.model.text.choice_decoder import ChoiceDecoder

_REMEMBERED = 16_384
_SETTLING_S = 5.0


class UsageTracker:
    """The sequences of one call. Leave its `with` when the call is over; it is settled once all of
    its sequences have ended too. `cached_tokens` of the prompt the engine had computed before.
    """

    __slots__ = (
        "cached_tokens",
        "_call",
        "_decoders",
        "_is_over",
        "_open",
        "_prompt_tokens",
        "_registry",
        "_settled",
    )

    def __init__(self, registry: "UsageRegistry", call: str) -> None:
        self._registry = registry
        self._call = call
        self._prompt_tokens = self.cached_tokens = 0
        self._decoders: Sequence[ChoiceDecoder] | None = None
        self._open: set[int] = set()
        self._is_over = False
        self._settled: asyncio.Event | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Sequences that the call's end has cut off may still report."""
        self._is_over = True
        if not self._open:
            self._settle()

    def begin(self, index: int, prompt_tokens: int, decoders: Sequence[ChoiceDecoder]) -> None:
        """The engine is about to take the sequence of choice `index`; each choice's decoder counts
        its tokens.
        """
        self._prompt_tokens, self._decoders = prompt_tokens, decoders
        self._open.add(index)

    def end(self, index: int) -> None:
        """Tokens generated for it from now on do not count. May be repeated."""
        self._open.discard(index)
        if self._is_over and not self._open:
            self._settle()

    def on_left(self, index: int, rest: Tokens) -> None:
        """For TokenRequest.on_left."""
        if index in self._open and self._decoders is not None:
            self._decoders[index].count(rest)
            self.end(index)

    def usage(self) -> TokenUsage:
        """The usage so far."""
        if self._decoders is None:
            return TokenUsage()
        generated = sum([text.tokens for text in self._decoders])
        return TokenUsage(self._prompt_tokens, generated, self.cached_tokens)

    async def settled(self, timeout_s: float) -> None:
        """Wait for the end, at most `timeout_s`."""
        if self._is_over and not self._open:
            return
        if self._settled is None:
            self._settled = asyncio.Event()
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        except TimeoutError:
            pass

    def _settle(self) -> None:
        if self._settled is not None:
            self._settled.set()
        if self._call:
            self._registry.close(self._call, self)


class UsageRegistry:
    """Open calls, and the usage of the last ones that have ended."""

    def __init__(self) -> None:
        self._open: dict[str, UsageTracker] = {}
        self._ended: OrderedDict[str, TokenUsage] = OrderedDict()
        self._abandoned: OrderedDict[str, None] = OrderedDict()

    def open(self, call: str) -> UsageTracker:
        """Track a call; the usage of one without an id cannot be queried.

        Raises ClientGone where it was abandoned before it came.
        """
        if call in self._abandoned:
            raise ClientGone("The call was given up before it began.")
        tracker = UsageTracker(self, call)
        if call:
            self._open[call] = tracker
        return tracker

    def close(self, call: str, tracker: UsageTracker) -> None:
        """The call and all of its sequences have ended."""
        if self._open.get(call) is tracker:
            del self._open[call]
            self._ended[call] = tracker.usage()
            if len(self._ended) > _REMEMBERED:
                self._ended.popitem(last=False)

    async def settle(self, call: str) -> TokenUsage:
        """The usage of an abandoned call: waits for its end, at most 5 s. Nothing where it is not
        known, and if it comes later, it is refused.
        """
        tracker = self._open.get(call)
        if tracker is not None:
            await tracker.settled(_SETTLING_S)
            return tracker.usage()
        usage = self._ended.get(call)
        if usage is None:
            self._abandoned[call] = None
            if len(self._abandoned) > _REMEMBERED:
                self._abandoned.popitem(last=False)
            return TokenUsage()
        return usage
