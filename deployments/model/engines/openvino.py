"""The CPU engine: openvino-genai's continuous batching, in a process of its own.

In: TokenRequests. Out: Tokens. Greedy output equals transformers' in float32; a seed gives the same
tokens whatever else is in the batch.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.problems import Draining
from deployments.contracts.engine import EngineStats, ImagePrompt, TokenRequest, Tokens
from deployments.contracts.generation import FinishReason
from deployments.contracts.images import DecodedImage
from deployments.model.engines.features import ALL, refuse_unsupported
from deployments.model.engines.image_processor import ImageProcessor, takes_images
from deployments.model.engines.ipc_messages import (
    Cancel,
    GenerateCommand,
    RawImage,
    Ready,
    Step,
    Stop,
    TokenBatch,
    WorkerError,
)
from deployments.model.engines.openvino_worker import WorkerOptions
from deployments.model.engines.sequences import SequenceRegistry
from deployments.model.engines.subprocess_engine import EngineProcess
from deployments.model.errors import model_failed, refused_parameters, replica_lost
from deployments.model.export import TEXT_TASK, VISION_TASK, export_openvino
from deployments.model.model_files import VISION_IR_NAME, ModelFiles
from deployments.model.spec import ModelSpec

_STALL_S = 120.0  # without a step, with sequences open: the process hangs
_SEEDS = 1 << 62
_NOT_STARTED = "it has not been started"
_VISION = ALL - {"top_logprobs", "logit_bias", "grammar", "prompt_logprobs"}
_PRECISIONS = {"auto": "f32", "float32": "f32", "bfloat16": "bf16", "float16": "f16"}


@dataclass(frozen=True, slots=True)
class OpenVinoSizing:
    """How the engine is sized. `precision`: f32, bf16, f16. `device`: an OpenVINO device name."""

    max_running: int = 32
    cache_tokens: int = 32_768
    threads: int = 1
    precision: str = "f32"
    device: str = "CPU"


class OpenVinoEngine:
    """One model converted to OpenVINO IR, decoding up to `max_running` sequences a step."""

    name = "openvino"
    supports: frozenset[str] = ALL - {
        "top_logprobs",
        "logit_bias",
        "images",
    }

    def __init__(
        self,
        model: str,
        folder: Path,
        sizing: OpenVinoSizing | None = None,
        clock: Clock | None = None,
        processor: ImageProcessor | None = None,
    ) -> None:
        """`folder` holds `openvino_model.xml`, or the parts of a model that takes pictures, and the
        converted tokenizer. `processor` is that model's (None: it takes no pictures)."""
        self._processor = processor
        if processor is not None:
            self.supports = _VISION
        self._model = model
        self._folder = folder
        self._sizing = sizing or OpenVinoSizing()
        self._clock = clock or SystemClock()
        self._sequences = SequenceRegistry()
        self._child = EngineProcess(self._on_message, self._on_exit)
        self._started: asyncio.Future[None] | None = None
        self._broken: str | None = _NOT_STARTED
        self._stopping = False
        self._steps = 0
        self._last_message_at = 0.0

    @classmethod
    def build(
        cls, spec: ModelSpec, files: ModelFiles | None, context_length: int, home: Path
    ) -> Self:
        """Converts the model first where its files have no IR. Raises export.ExportFailed."""
        assert files is not None, "openvino needs a model's files"
        ir = files.ir
        if ir is None:
            name = f"{spec.id.replace('/', '--')}-{files.revision}-{spec.weight_format}"
            ir = home / "models" / name
            task = VISION_TASK if takes_images(files.folder) else TEXT_TASK
            export_openvino(files.folder, ir, spec.weight_format, home / "exporter", task)
        sizing = OpenVinoSizing(
            max_running=spec.max_running,
            cache_tokens=spec.cache_size(context_length),
            threads=spec.thread_count(files.parameters),
            precision=_PRECISIONS[spec.dtype],
            device="CPU" if spec.device in ("auto", "cpu") else spec.device.upper(),
        )
        is_vision = (ir / VISION_IR_NAME).exists()
        processor = ImageProcessor(spec.id, files.folder, "np") if is_vision else None
        return cls(spec.id, ir, sizing, processor=processor)

    async def start(self) -> None:
        """Raises RuntimeError with the reason when the model cannot be loaded."""
        if self._processor is not None:
            await asyncio.to_thread(self._processor.load)
        self._started = asyncio.get_running_loop().create_future()
        await self._child.start("deployments.model.engines.openvino_worker")
        sizing = self._sizing
        self._child.send(
            WorkerOptions(
                self._folder,
                sizing.device,
                sizing.threads,
                sizing.precision,
                sizing.max_running,
                sizing.cache_tokens,
                self._processor is not None,
            )
        )
        await self._started

    async def encode_images(self, prompt: str, images: Sequence[DecodedImage]) -> ImagePrompt:
        """Implements `ImageEngine`; the ids are as many as the model's own processor makes."""
        assert self._processor is not None, "refused before: the engine supports no images"
        encoded = await self._processor.encode(prompt, images)
        raw = tuple([RawImage(each.width, each.height, each.pixels) for each in images])
        return ImagePrompt(encoded.ids, (prompt, raw))

    async def generate(self, request: TokenRequest) -> AsyncGenerator[Tokens, None]:
        refuse_unsupported(request, self.supports, self.name)
        self._require_alive()
        if not self._sequences.slots:
            self._last_message_at = self._clock.monotonic()
        key, queue = self._sequences.open(on_left=request.on_left, on_tokens=request.on_tokens)
        self._child.send(_command(key, request))
        try:
            finish_reason = None
            while finish_reason is None:
                tokens = await queue.get()
                finish_reason = tokens.finish_reason
                yield tokens
        finally:
            if self._sequences.leave(key):
                self._child.send(Cancel(key))

    def stats(self) -> EngineStats:
        return self._sequences.stats(self._sizing.max_running, self._steps)

    def check_health(self) -> None:
        if self._broken is not None:
            raise RuntimeError(f"the openvino engine cannot serve: {self._broken}")
        silent_s = self._clock.monotonic() - self._last_message_at
        if self._sequences.slots and silent_s > _STALL_S:
            raise RuntimeError(f"the openvino engine has not taken a step for {silent_s:.0f} s")

    async def stop(self) -> None:
        self._stopping = True
        self._broken = self._broken or "it has been stopped"
        self._child.send(Stop())
        await self._child.stop()
        if self._processor is not None:
            self._processor.close()

    def _require_alive(self) -> None:
        if self._stopping:
            raise Draining("The model is shutting down.")
        if self._broken is not None:
            raise replica_lost(self._model, self._broken)

    def _on_message(self, message: Any) -> None:
        if isinstance(message, Step):
            self._steps = message.steps
            self._last_message_at = self._clock.monotonic()
            for batch in message.batches:
                self._deliver(batch)
        elif isinstance(message, Ready):
            self._broken = None
            self._last_message_at = self._clock.monotonic()
            if self._started is not None and not self._started.done():
                self._started.set_result(None)
        elif isinstance(message, WorkerError):
            self._fail(message.reason)

    def _deliver(self, batch: TokenBatch) -> None:
        if batch.end == "cancelled":
            self._sequences.release(batch.key, Tokens(batch.ids))
        elif batch.end == "refused":
            self._sequences.refuse(batch.key, refused_parameters(self._model, batch.error))
        elif batch.end == "error":
            self._sequences.fail(batch.key, model_failed(self._model, batch.error))
        else:
            end = cast(FinishReason | None, batch.end)
            tokens = Tokens(batch.ids, end, batch.logprobs, prompt_logprobs=batch.prompt_logprobs)
            self._sequences.deliver(batch.key, tokens)

    def _on_exit(self, code: int | None) -> None:
        self._fail("it has been stopped" if self._stopping else f"its process ended (code {code})")

    def _fail(self, reason: str) -> None:
        """The process has failed: end every open sequence, and start() if it still waits."""
        if self._broken in (None, _NOT_STARTED):  # the first reason is the cause
            self._broken = reason
        if self._started is not None and not self._started.done():
            self._started.set_exception(RuntimeError(f"cannot load {self._folder}: {reason}"))
        if self._stopping:
            self._sequences.fail_all(lambda: Draining("The model is shutting down."))
        else:
            self._sequences.fail_all(lambda: replica_lost(self._model, reason))


def _command(key: int, request: TokenRequest) -> GenerateCommand:
    text, images = ("", ()) if request.image_prompt is None else request.image_prompt.inputs
    return GenerateCommand(
        key=key,
        prompt=request.prompt_ids,
        max_tokens=request.max_tokens,
        stop_ids=request.stop_ids,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        seed=secrets.randbelow(_SEEDS) if request.seed is None else request.seed % _SEEDS,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        logprobs=request.logprobs is not None,
        interval_s=request.interval_s,
        grammar=request.grammar,
        min_p=request.min_p,
        repetition_penalty=request.repetition_penalty,
        prompt_logprobs=request.prompt_logprobs,
        text=text,
        images=images,
    )
