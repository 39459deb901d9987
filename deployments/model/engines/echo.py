"""Echo: repeats a prompt's own tokens, at no cost or at a set pace. Measures overhead.

In: token ids. Out: the ids of the last user turn (of the whole prompt where there is no turn), then
"stop"; with no stop ids (ignore_eos) they repeat until `max_tokens`. Knows no model.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Self

from cluster.runtime.problems import Draining
from deployments.contracts.engine import EngineStats, TokenRequest, Tokens
from deployments.contracts.generation import FinishReason
from deployments.model.engines.features import ALL, refuse_unsupported
from deployments.model.model_files import ModelFiles
from deployments.model.spec import ModelSpec
from deployments.model.text.tokenizer import ByteTokenizer


class EchoEngine:
    """Deterministic whatever the sampling asks for; every log probability is 0."""

    name = "echo"
    supports: frozenset[str] = ALL - {"grammar", "images"}

    def __init__(
        self,
        max_running: int = 32,
        tokens_per_second: float | None = None,
        first_token_s: float = 0.0,
    ) -> None:
        self._max_running = max_running
        self._pause_s = 1.0 / tokens_per_second if tokens_per_second else 0.0
        self._first_token_s = first_token_s
        self._slots = asyncio.Semaphore(max_running)
        self._stopping = False
        self._waiters: set[asyncio.Future[None]] = set()
        self._open = self._submitted = self._finished = self._cancelled = self._failed = 0
        self._tokens = self._steps = 0

    @classmethod
    def build(
        cls, spec: ModelSpec, files: ModelFiles | None, context_length: int, home: Path
    ) -> Self:
        return cls(spec.max_running, spec.tokens_per_second, spec.first_token_s)

    async def start(self) -> None:
        """Nothing to load."""

    async def generate(self, request: TokenRequest) -> AsyncGenerator[Tokens, None]:
        if request.grammar or request.image_prompt is not None or self._stopping:
            self._refuse(request)
        ids, reason = continuation(request)
        prompt = request.prompt_ids if request.prompt_logprobs else ()
        self._submitted += 1
        self._open += 1
        done = False
        try:
            if not self._pause_s and not self._first_token_s:
                self._tokens += len(ids)
                self._steps += 1
                done = True
                plain = request.logprobs is None
                yield (
                    Tokens(ids, reason) if plain else _tokens(ids, reason, request.logprobs, prompt)
                )
                return
            async with self._slots:
                size = len(ids) if not self._pause_s or len(ids) <= 1 else 1  # of a step
                start = 0
                while not done:
                    if start == 0:
                        await self._wait(self._first_token_s)
                    else:
                        start = await self._relay(request, ids, start)
                    stop = start + size
                    self._count(size)
                    done = stop >= len(ids)
                    end = reason if done else None
                    yield _tokens(ids[start:stop], end, request.logprobs, () if start else prompt)
                    start = stop
        except Draining:
            self._failed += 1
            raise
        except (asyncio.CancelledError, GeneratorExit):
            if not done and request.on_left is not None:
                request.on_left(Tokens(()))  # all counted tokens were yielded
            raise
        finally:
            self._open -= 1
            self._finished += done
            self._cancelled = self._submitted - self._finished - self._failed - self._open

    def stats(self) -> EngineStats:
        running = min(self._open, self._max_running)
        return EngineStats(
            running=running,
            waiting=self._open - running,
            submitted=self._submitted,
            finished=self._finished,
            cancelled=self._cancelled,
            failed=self._failed,
            tokens_out=self._tokens,
            handlers=self._open,
            steps=self._steps,
        )

    def check_health(self) -> None:
        if self._stopping:
            raise RuntimeError("the echo engine has been stopped")

    async def stop(self) -> None:
        self._stopping = True
        for waiter in self._waiters:
            _end_wait(waiter)

    def _refuse(self, request: TokenRequest) -> None:
        """Raises Draining, and before it what is raised for what it lacks."""
        refuse_unsupported(request, self.supports, self.name)
        raise Draining("The model is shutting down.")

    def _count(self, tokens: int) -> None:
        """One step of one sequence."""
        self._tokens += tokens
        self._steps += 1

    async def _relay(self, request: TokenRequest, ids: tuple[int, ...], at: int) -> int:
        """Waits for the next step, and passes its token on where `on_tokens` takes it, and so on.
        Returns the position of the token that is to be yielded."""
        on_tokens = request.on_tokens if request.logprobs is None else None

        def passes() -> bool:
            nonlocal at
            if on_tokens is None or at + 1 >= len(ids) or not on_tokens(ids[at : at + 1]):
                return False
            self._count(1)
            at += 1
            return True

        await self._wait(self._pause_s, passes)
        return at

    async def _wait(self, seconds: float, passes: Callable[[], bool] = lambda: False) -> None:
        """Waits so long, and again each time that `passes` says so. Raises Draining where the
        engine is stopped meanwhile."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.add(waiter)
        timer: asyncio.TimerHandle | None = None

        def end_wait() -> None:
            nonlocal timer
            if waiter.done():
                return
            if not self._stopping and passes():
                timer = loop.call_later(seconds, end_wait)
            else:
                waiter.set_result(None)

        timer = loop.call_later(seconds, end_wait)
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
            self._waiters.discard(waiter)
        if self._stopping:
            raise Draining("The model is shutting down.")


def _end_wait(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def continuation(request: TokenRequest) -> tuple[tuple[int, ...], FinishReason]:
    """The ids that echo generates, at most `max_tokens`, and why they end."""
    ids = _last_turn(request.prompt_ids)
    if request.stop_ids:
        if request.stop_ids.isdisjoint(ids):
            ended = len(ids) < request.max_tokens
            return ids[: request.max_tokens], "stop" if ended else "length"
        ends = (index for index, token in enumerate(ids) if token in request.stop_ids)
        end = next(ends, len(ids))
        return ids[: request.max_tokens][:end], "stop" if end < request.max_tokens else "length"
    repeats = -(-request.max_tokens // max(1, len(ids)))
    return (ids * repeats)[: request.max_tokens], "length"


def _last_turn(ids: tuple[int, ...]) -> tuple[int, ...]:
    if ByteTokenizer.USER not in ids:
        return ids or (ord("."),)
    start = len(ids) - ids[::-1].index(ByteTokenizer.USER)
    rest = ids[start:]
    turn = rest[: rest.index(ByteTokenizer.END)] if ByteTokenizer.END in rest else rest
    return turn or (ord("."),)


def _tokens(
    ids: tuple[int, ...],
    reason: FinishReason | None,
    logprobs: int | None,
    prompt: tuple[int, ...],
) -> Tokens:
    """`prompt` are its ids where their log probabilities are asked for."""
    if logprobs is None:
        return Tokens(ids, reason)
    top = tuple(((token, 0.0),) for token in ids) if logprobs else ()
    if not prompt:
        return Tokens(ids, reason, (0.0,) * len(ids), top)
    prompt_top = ((), *(((token, 0.0),) for token in prompt[1:])) if logprobs else ()
    known = (None, *(0.0,) * (len(prompt) - 1))
    return Tokens(ids, reason, (0.0,) * len(ids), top, known, prompt_top)
