"""What each call of a model has used, also where nobody waited for its end.

In: sequences as they begin, grow and end. Out: a call's exact Usage, for whoever asks by its id:
the ingress does so when a client has left or a deadline has passed. A call uses its prompt from
the moment at which the engine took its first sequence, and what was generated up to its end (up
to a stop string where one was met, see choice.py).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from cluster.runtime.problems import ClientGone
from deployments.contracts.engine import Tokens
from deployments.contracts.generation import TokenUsage
from deployments.model.text.choice_decoder import ChoiceDecoder

T = TypeVar("T")

_REMEMBERED = 16_384
_SETTLING_S = 5.0


class UsageTracker:
    """The sequences of one call. `ended` is called once the call and all of them have ended."""

    def __init__(self, ended: Callable[["UsageTracker"], None]) -> None:
        self._ended = ended
        self._prompt_tokens = 0
        self._texts: Sequence[ChoiceDecoder] = ()
        self._open: set[int] = set()
        self._begun = False
        self._over = False
        self._settled: asyncio.Event | None = None

    def prepare(self, prompt_tokens: int, texts: Sequence[ChoiceDecoder]) -> None:
        """The prompt's length, and the text of each choice, which counts its tokens."""
        self._prompt_tokens, self._texts = prompt_tokens, texts

    def begin(self, index: int) -> None:
        """The engine is about to take the sequence of choice `index`."""
        self._begun = True
        self._open.add(index)

    def end(self, index: int) -> None:
        """Nothing that is still generated for it counts. May be repeated."""
        self._open.discard(index)
        self._look()

    def on_left(self, index: int) -> Callable[[Tokens], None]:
        """For TokenRequest.on_left."""
        return partial(self._left, index)

    def close(self) -> None:
        """The call is over; sequences that its end has cut off may still report."""
        self._over = True
        self._look()

    def usage(self) -> TokenUsage:
        """So far."""
        if not self._begun:
            return TokenUsage()
        return TokenUsage(self._prompt_tokens, sum(text.tokens for text in self._texts))

    async def settled(self, timeout_s: float) -> None:
        """Wait for the end, but no longer than that."""
        if self._settled is None:
            self._settled = asyncio.Event()
            self._look()
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        except TimeoutError:
            pass

    def _left(self, index: int, rest: Tokens) -> None:
        if index in self._open:
            self._texts[index].count(rest)
            self.end(index)

    def _look(self) -> None:
        if not self._over or self._open:
            return
        if self._settled is not None:
            self._settled.set()
        self._ended(self)


class UsageRegistry:
    """Calls that are open, and the usage of the last ones that have ended."""

    def __init__(self) -> None:
        self._open: dict[str, UsageTracker] = {}
        self._ended: OrderedDict[str, TokenUsage] = OrderedDict()
        self._given_up: OrderedDict[str, None] = OrderedDict()

    def open(self, call: str) -> UsageTracker:
        """Track a call; one without an id cannot be asked for.

        Raises ClientGone where it was given up before it came.
        """
        if not call:
            return UsageTracker(_nothing)
        if call in self._given_up:
            raise ClientGone("The call was given up before it began.")
        tracker = self._open[call] = UsageTracker(partial(self._end, call))
        return tracker

    async def settle(self, call: str) -> TokenUsage:
        """What a call that was given up has used: waits for its end, at most 5 s. Nothing where it
        is not known, and if it comes later, it is refused.
        """
        tracker = self._open.get(call)
        if tracker is not None:
            await tracker.settled(_SETTLING_S)
            return tracker.usage()
        usage = self._ended.get(call)
        if usage is None:
            _remember(self._given_up, call, None)
            return TokenUsage()
        return usage

    def _end(self, call: str, tracker: UsageTracker) -> None:
        if self._open.get(call) is tracker:
            del self._open[call]
            _remember(self._ended, call, tracker.usage())


def _nothing(tracker: UsageTracker) -> None: ...


def _remember(known: "OrderedDict[str, T]", call: str, value: T) -> None:
    known[call] = value
    if len(known) > _REMEMBERED:
        known.popitem(last=False)
