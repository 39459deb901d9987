"""The interface of inference engines: token ids in, token ids out.

An engine knows nothing of text, chat templates, stop strings or wire formats; those belong to
`deployments/model/text/text_model.py`, once for all engines.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from cluster.runtime.quick_init import quick_init
from deployments.contracts.generation import FinishReason
from deployments.contracts.images import DecodedImage

OnTokens = Callable[[tuple[int, ...]], bool]


@quick_init
@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One sequence to continue. `max_tokens` >= 1 and already fits the context.

    `stop_ids` end the sequence and are not part of it. Fields as in `generation.Sampling`.
    Tokens that follow a batch within `interval_s` seconds may be held back and come with the next
    one; infinity requests one batch at the end.

    `on_left` is called once, and soon, where the consumer has left before the end: with the
    tokens that the engine had generated and not yielded (possibly none). It is not
    called for a sequence that ended by a `finish_reason` or a Problem.

    `on_tokens` may be called on the event loop while the next batch is awaited, with ids that do
    not end the sequence, in place of yielding them. False: it has not taken them.

    With `prompt_logprobs` the first batch has the log probabilities of the prompt's tokens, with
    `logprobs` alternatives each.

    `grammar` is the compact EBNF that the text must follow (empty: any text), from the compiler of
    `deployments/model/text/structured`; engines never see another one.

    `image_prompt` is the engine's own form of a prompt with pictures; its ids are `prompt_ids`.
    """

    request_id: str
    prompt_ids: tuple[int, ...]
    max_tokens: int
    stop_ids: frozenset[int]
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logprobs: int | None = None
    tenant: str = ""
    interval_s: float = 0.0
    on_left: "Callable[[Tokens], None] | None" = None
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    grammar: str = ""
    prompt_logprobs: bool = False
    on_tokens: OnTokens | None = None
    image_prompt: "ImagePrompt | None" = None


@dataclass(frozen=True, slots=True)
class ImagePrompt:
    """A prompt with pictures. `ids` are the tokens that the engine makes of it, those of pictures
    included: exact, or a close estimate; `inputs` is what the engine is to be given.
    """

    ids: tuple[int, ...]
    inputs: Any

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens that became ready together; `finish_reason` closes the sequence.

    `logprobs[i]` belongs to `ids[i]`; `top[i]` lists its (id, logprob) alternatives, best
    first. Both are empty unless the request wants them. `prompt_logprobs` and `prompt_top` are the
    same for the prompt's tokens, on a sequence's first batch: the first token has none (None, ()).
    `cached` counts tokens of the prompt that were not computed again, on the first batch.
    """

    ids: tuple[int, ...]
    finish_reason: FinishReason | None = None
    logprobs: tuple[float, ...] = ()
    top: tuple[tuple[tuple[int, float], ...], ...] = ()
    prompt_logprobs: tuple[float | None, ...] = ()
    prompt_top: tuple[tuple[tuple[int, float], ...], ...] = ()
    cached: int = 0


@dataclass(frozen=True, slots=True)
class EngineStats:
    """An engine's own counters. After a quiet moment `submitted == finished + cancelled + failed`.

    `running` and `waiting` count sequences now; the rest count from the start of the engine.
    `handlers` is how many callers' queues the engine still holds (0 when idle).
    """

    running: int
    waiting: int
    submitted: int
    finished: int
    cancelled: int
    failed: int
    tokens_out: int
    handlers: int
    steps: int = 0


class Engine(Protocol):
    """One loaded model that continues many sequences at once.

    `generate` is an async generator: closing it (or cancelling its task) cancels the sequence,
    and the engine frees its slot within two steps. It raises a Problem, never yields one:
    InvalidRequest where the parameters of this sequence are at fault, ModelFailed where the engine
    is.
    """

    name: str  # as in deployments/model/engines/registry.py
    supports: frozenset[str]  # sampling features: "seed", "penalties", "logprobs", "top_k" ...

    async def start(self) -> None:
        """Load the weights and warm up; returns when the first request would be fast."""
        ...

    def generate(self, request: TokenRequest) -> AsyncGenerator[Tokens, None]: ...

    def stats(self) -> EngineStats: ...

    def check_health(self) -> None:
        """Raises RuntimeError with the reason if the engine cannot serve any more."""
        ...

    async def stop(self) -> None:
        """End the engine's threads and free its memory; open sequences fail with Draining."""
        ...


@runtime_checkable
class ImageEngine(Protocol):
    """An engine that supports "images"."""

    async def encode_images(self, prompt: str, images: Sequence[DecodedImage]) -> ImagePrompt:
        """`prompt` is a rendered chat with the model's placeholder for each picture. Raises
        InvalidRequest where the model takes no such pictures."""
        ...
