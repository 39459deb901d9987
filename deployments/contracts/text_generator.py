"""Who generates text, and its calls, as the stages before a model see them: `generation.py` has
what is handed over.
"""

from collections.abc import AsyncGenerator, Awaitable
from typing import NamedTuple, Protocol, runtime_checkable

from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    ModelLoad,
    TokenUsage,
)
from deployments.contracts.text_relay import TextRelay


class TextGenerator(Protocol):
    """Turns a request into text: a model in this process, or a handle to one.

    Both methods raise Problems (UnknownModel, PromptTooLong, Overloaded, ModelFailed,
    DeadlineExceeded). Closing the stream, or cancelling the call, stops the work.
    """

    async def generate(self, request: GenerateRequest) -> Completion: ...

    def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]: ...


class ModelCall(Protocol):
    """One call of a model. Either method may be used, once."""

    async def generate(self) -> Completion: ...

    def stream(self, relay: TextRelay | None = None) -> AsyncGenerator[Chunk, None]:
        """After the first chunk, pieces of text may be passed to `relay` instead, while the next
        chunk is awaited."""
        ...

    def settlement(self) -> Awaitable[TokenUsage] | None:
        """The usage of the call, once it was abandoned: its caller has left, or its deadline has
        passed. None where it did not begin. Get it when the call has ended, and await it in any
        context; raises a Problem where the usage is no longer known.
        """
        ...


class MadeAttempt(NamedTuple):
    """One attempt of a call at a replica or an upstream, `target`, as far as that is known.
    `ended_at` is when it failed or was given up, and `error` why; 0: it ended with its call. Both
    times are monotonic."""

    sent_at: float
    target: str
    ended_at: float = 0.0
    error: str = ""


@runtime_checkable
class ReportsAttempts(Protocol):
    """A ModelCall that knows where it was sent. `provider` is gen_ai's name of who answers; empty:
    a model of the cluster."""

    @property
    def provider(self) -> str: ...

    def attempts_made(self) -> tuple[MadeAttempt, ...]: ...


@runtime_checkable
class SettlingModel(Protocol):
    """A model whose calls report their usage after they were abandoned."""

    def begin(self, request: GenerateRequest) -> ModelCall: ...


class ServedModel(TextGenerator, Protocol):
    """A generator that can describe itself. Both raise Overloaded while no replica is up."""

    async def card(self) -> ModelCard: ...

    async def load(self) -> ModelLoad: ...
