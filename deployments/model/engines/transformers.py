"""The engine for any other torch device, over transformers' continuous batching.

It runs on the manager's own thread. In: TokenRequests. Out: Tokens. It has no seed and no penalties
for single requests, so those are refused; log probabilities are recorded beside it, where it runs
eagerly (recorded_logprobs.py). Block sharing is off: its prefix hash is unkeyed and shared by all
tenants.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

from cluster.runtime.problems import Draining, ModelFailed
from deployments.contracts.engine import EngineStats, TokenRequest, Tokens
from deployments.contracts.generation import GREEDY_BELOW, LEAST_TOP_P, FinishReason
from deployments.model.engines.features import refuse_unsupported
from deployments.model.engines.image_processor import takes_images
from deployments.model.engines.recorded_logprobs import LogprobEntry, LogprobRecorder
from deployments.model.engines.registry import has_nvidia
from deployments.model.engines.sequences import SequenceRegistry
from deployments.model.engines.transformers_vision import TransformersVisionEngine
from deployments.model.errors import model_failed, refused_parameters, replica_lost
from deployments.model.model_files import ModelFiles
from deployments.model.spec import ModelSpec

_STEP_TOKENS = 512
_PAGE = 256  # tokens in a cache block: 32 measured 20 % slower, and flash attention wants 256
_STOP_S = 10.0
_EAGER_DEVICES = ("cpu", "mps")  # others replay graphs of their steps
_SAMPLING = frozenset({"temperature", "top_p", "top_k"})
_RECORDED = frozenset({"logprobs", "top_logprobs", "prompt_logprobs"})


@dataclass(frozen=True, slots=True)
class TorchSizing:
    """How the engine is sized. `device` and `dtype` are torch's names."""

    max_running: int = 32
    cache_tokens: int = 32_768
    threads: int | None = None
    device: str = "cpu"
    dtype: str = "float32"


class TransformersEngine:
    """One Hugging Face model under a `ContinuousBatchingManager`."""

    name = "transformers"

    def __init__(self, model: str, folder: Path, sizing: TorchSizing | None = None) -> None:
        self._model = model
        self._folder = folder
        self._sizing = sizing or TorchSizing()
        self._records = self._sizing.device.startswith(_EAGER_DEVICES)
        self.supports = _SAMPLING | _RECORDED if self._records else _SAMPLING
        self._recorder = LogprobRecorder()
        self._sequences = SequenceRegistry()
        self._manager: Any = None
        self._vocabulary = 0
        self._seen: dict[int, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    @classmethod
    def build(
        cls, spec: ModelSpec, files: ModelFiles | None, context_length: int, home: Path
    ) -> Self:
        assert files is not None, "transformers needs a model's files"
        if takes_images(files.folder):
            return cast(Self, TransformersVisionEngine.build(spec, files, context_length, home))
        device = spec.device
        if device == "auto":
            device = "cuda" if has_nvidia() else "cpu"
        sizing = TorchSizing(
            max_running=spec.max_running,
            cache_tokens=spec.cache_size(context_length),
            threads=spec.thread_count(files.parameters),
            device=device,
            dtype="float32" if spec.dtype == "auto" and device == "cpu" else spec.dtype,
        )
        return cls(spec.id, files.folder, sizing)

    async def start(self) -> None:
        """Raises RuntimeError when the model cannot be loaded."""
        self._loop = asyncio.get_running_loop()
        try:
            await asyncio.to_thread(self._load)
        except (OSError, ValueError) as error:
            raise RuntimeError(f"cannot load {self._folder}: {error}") from error
        async for _ in self.generate(TokenRequest("warm-up", (1, 1, 1), 2, frozenset())):
            pass
        self._sequences = SequenceRegistry()

    async def generate(self, request: TokenRequest) -> AsyncGenerator[Tokens, None]:
        refuse_unsupported(request, self.supports, self.name)
        self._require_alive()
        key, queue = self._sequences.open(request.interval_s, request.on_left, request.on_tokens)
        self._seen[key] = 0
        try:
            self._submit(key, request)
            finish_reason = None
            while finish_reason is None:
                tokens = await queue.get()
                tokens = _without_stop(tokens, request)
                finish_reason = tokens.finish_reason
                yield tokens
        finally:
            self._recorder.forget(str(key))
            if self._sequences.leave(key):
                self._manager.cancel_request(str(key))
            else:
                self._seen.pop(key, None)

    def stats(self) -> EngineStats:
        steps = getattr(self._manager, "current_batch", 0)
        return self._sequences.stats(self._sizing.max_running, steps)

    def check_health(self) -> None:
        if self._manager is None or not self._manager.is_running():
            raise RuntimeError("the transformers engine's thread is not running")
        fatal = self._manager.background_thread_status.fatal_error
        if fatal is not None:
            raise RuntimeError(f"the transformers engine has failed: {fatal}")

    async def stop(self) -> None:
        self._stopping = True
        if self._manager is not None:
            await asyncio.to_thread(self._manager.stop, block=True, timeout=_STOP_S, hard_stop=True)
        self._sequences.fail_all(lambda: Draining("The model is shutting down."))

    def _require_alive(self) -> None:
        if self._stopping:
            raise Draining("The model is shutting down.")
        try:
            self.check_health()
        except RuntimeError as error:
            raise replica_lost(self._model, str(error)) from error

    def _submit(self, key: int, request: TokenRequest) -> None:
        """Every request states its whole sampling.

        `top_k` 1 is greedy, the vocabulary's size is no limit.
        """
        if request.logprobs is not None:
            prompt = request.prompt_ids if request.prompt_logprobs else ()
            self._recorder.want(str(key), request.logprobs, prompt)
        greedy = request.temperature < GREEDY_BELOW  # a division by less ends the whole batch
        try:
            self._manager.add_request(
                list(request.prompt_ids),
                request_id=str(key),
                max_new_tokens=request.max_tokens,
                streaming=request.interval_s != float("inf"),
                eos_token_id=sorted(request.stop_ids) or [-1],
                temperature=1.0 if greedy else float(request.temperature),
                top_k=1 if greedy else min(request.top_k or self._vocabulary, self._vocabulary),
                top_p=1.0 if greedy else max(LEAST_TOP_P, float(request.top_p)),
            )
        except (ValueError, TypeError, OverflowError) as error:
            problem = refused_parameters(self._model, f"{type(error).__name__}: {error}")
            self._sequences.refuse(key, problem)

    def _load(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

        sizing = self._sizing
        if sizing.threads is not None and sizing.device == "cpu":
            torch.set_num_threads(sizing.threads)
        dtype = sizing.dtype if sizing.dtype == "auto" else getattr(torch, sizing.dtype)
        model: Any = AutoModelForCausalLM.from_pretrained(
            self._folder, dtype=dtype, attn_implementation="sdpa"
        )
        model = model.to(sizing.device)
        self._vocabulary = model.config.get_text_config().vocab_size
        # None of them neutral: a processor that is absent now cannot be set by a request.
        generation = GenerationConfig(
            do_sample=True, temperature=0.9, top_k=50, top_p=0.9, eos_token_id=-1, max_new_tokens=16
        )
        batching = ContinuousBatchingConfig(
            page_size=_PAGE,
            num_blocks=-(-sizing.cache_tokens // _PAGE) + sizing.max_running,
            max_batch_tokens=max(_STEP_TOKENS, sizing.max_running),
            max_requests_per_batch=sizing.max_running,
            allow_block_sharing=False,
            per_request_processors=True,
            auto_switch_to_flash=sizing.device.startswith("cuda"),
        )
        self._manager = model.init_continuous_batching(generation, batching)
        self._manager.output_router = _router(self)
        self._manager.warmup()  # creates the batch processor, which start() then keeps
        if self._records:
            self._recorder.attach(self._manager.batch_processor)
        self._watch_cancellations(self._manager.batch_processor.scheduler)
        self._manager.start()

    def _watch_cancellations(self, scheduler: Any) -> None:
        """The manager does not report a cancelled request: hook where its scheduler drops it."""
        clear = scheduler.clear_cancelled_requests

        def clear_and_report() -> list[Any]:
            states: list[Any] = clear()
            if states:
                cancelled = [(int(s.request_id), list(s.generated_tokens)) for s in states]
                self._post(self._on_cancelled, cancelled)
            return states

        scheduler.clear_cancelled_requests = clear_and_report

    def _post(self, callback: Any, argument: Any) -> None:
        """Run `callback` on the event loop; the manager's thread calls this."""
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, argument)

    def _on_cancelled(self, cancelled: Sequence[tuple[int, list[int]]]) -> None:
        for key, generated in cancelled:
            seen = self._seen.pop(key, 0)
            self._sequences.release(key, Tokens(tuple(generated[seen:])))

    def _on_outputs(self, outputs: Sequence[Any]) -> None:
        for output in outputs:
            key = int(output.request_id)
            if output.error is not None:
                self._sequences.fail(key, self._failure(str(output.error)))
                continue
            seen = self._seen.get(key, 0)
            self._seen[key] = len(output.generated_tokens)
            ids = tuple(output.generated_tokens[seen:])
            end: FinishReason | None = "length" if output.is_finished() else None
            self._sequences.deliver(key, _tokens(ids, end, output.logprobs[seen:]))
            if end is not None:
                self._seen.pop(key, None)

    def _failure(self, reason: str) -> Draining | ModelFailed:
        if self._stopping:
            return Draining("The model is shutting down.")
        return model_failed(self._model, reason)


def _router(engine: TransformersEngine) -> Any:
    """An output router to our queues: nothing stays behind in a shared queue."""
    from transformers.generation.continuous_batching.continuous_api import OutputRouter

    class Router(OutputRouter):
        def deliver(self, output: Any) -> None:
            engine._post(engine._on_outputs, [output])

        def deliver_batch(self, outputs: list[Any]) -> None:
            engine._post(engine._on_outputs, outputs)

    return Router()


def _without_stop(tokens: Tokens, request: TokenRequest) -> Tokens:
    """The manager emits the stop token and gives no reason for the end."""
    if tokens.finish_reason is None or not tokens.ids or tokens.ids[-1] not in request.stop_ids:
        return tokens
    return replace(
        tokens,
        ids=tokens.ids[:-1],
        finish_reason="stop",
        logprobs=tokens.logprobs[: len(tokens.ids) - 1],
        top=tokens.top[: len(tokens.ids) - 1],
    )


def _tokens(
    ids: tuple[int, ...], end: FinishReason | None, entries: Sequence[LogprobEntry]
) -> Tokens:
    """New tokens, with what was recorded of them."""
    if not entries:
        return Tokens(ids, end)
    return Tokens(
        ids,
        end,
        tuple([entry.logprob for entry in entries]),
        tuple([entry.top for entry in entries]) if entries[0].top else (),
        entries[0].prompt,
        entries[0].prompt_top,
    )
