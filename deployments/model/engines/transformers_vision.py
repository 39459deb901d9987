"""The engine of models that take pictures, for any torch device, over transformers' `generate`.

In: TokenRequests, some with the tensors of pictures. Out: Tokens. transformers' continuous
batching takes no pictures, so sequences run one at a time, in the order of their arrival: it is the
reference for other engines and for trying a model out, not for load.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Self

from cluster.runtime.problems import Draining
from deployments.contracts.engine import EngineStats, ImagePrompt, TokenRequest, Tokens
from deployments.contracts.generation import GREEDY_BELOW
from deployments.contracts.images import DecodedImage
from deployments.model.engines.features import refuse_unsupported
from deployments.model.engines.image_processor import ImageProcessor
from deployments.model.engines.registry import has_nvidia
from deployments.model.engines.sequences import SequenceRegistry
from deployments.model.errors import model_failed, replica_lost
from deployments.model.model_files import ModelFiles
from deployments.model.spec import ModelSpec

_SUPPORTS = frozenset({"temperature", "top_p", "top_k", "min_p", "seed", "images"})
Post = Callable[..., object]


class TransformersVisionEngine:
    """One Hugging Face model with a vision part, in a thread of this process."""

    name = "transformers"
    supports: frozenset[str] = _SUPPORTS

    def __init__(
        self,
        model: str,
        folder: Path,
        device: str = "cpu",
        dtype: str = "float32",
        threads: int | None = None,
    ) -> None:
        """`device` and `dtype` are torch's names."""
        self._id = model
        self._folder = folder
        self._device = device
        self._dtype = dtype
        self._torch_threads = threads
        self._processor = ImageProcessor(model, folder)
        self._sequences = SequenceRegistry()
        self._thread = ThreadPoolExecutor(1, "transformers")
        self._open: dict[int, Event] = {}  # set once its consumer has left
        self._stopped: set[int] = set()
        self._model: Any = None
        self._broken: str | None = "it has not been started"
        self._stopping = False
        self._steps = 0

    @classmethod
    def build(
        cls, spec: ModelSpec, files: ModelFiles | None, context_length: int, home: Path
    ) -> Self:
        assert files is not None, "transformers needs a model's files"
        device = spec.device
        if device == "auto":
            device = "cuda" if has_nvidia() else "cpu"
        dtype = "float32" if spec.dtype == "auto" and device == "cpu" else spec.dtype
        return cls(spec.id, files.folder, device, dtype, spec.thread_count(files.parameters))

    async def start(self) -> None:
        """Raises RuntimeError when the model or its processor cannot be loaded."""
        try:
            await self._in_thread(self._load)
        except (OSError, ValueError, ImportError) as error:
            raise RuntimeError(f"cannot load {self._folder}: {error}") from error
        self._broken = None

    async def encode_images(self, prompt: str, images: Sequence[DecodedImage]) -> ImagePrompt:
        return await self._processor.encode(prompt, images)

    async def generate(self, request: TokenRequest) -> AsyncGenerator[Tokens, None]:
        refuse_unsupported(request, self.supports, self.name)
        if self._stopping:
            raise Draining("The model is shutting down.")
        if self._broken is not None:
            raise replica_lost(self._id, self._broken)
        key, queue = self._sequences.open(request.interval_s, request.on_left, request.on_tokens)
        left = self._open[key] = Event()
        post = asyncio.get_running_loop().call_soon_threadsafe
        work = self._in_thread(self._run, post, key, request, left)
        work.add_done_callback(partial(self._on_end, key))
        try:
            finish_reason = None
            while finish_reason is None:
                tokens = await queue.get()
                finish_reason = tokens.finish_reason
                yield tokens
        finally:
            if self._sequences.leave(key):
                left.set()

    def stats(self) -> EngineStats:
        return self._sequences.stats(1, self._steps)

    def check_health(self) -> None:
        if self._broken is not None:
            raise RuntimeError(f"the transformers engine cannot serve: {self._broken}")

    async def stop(self) -> None:
        self._stopping = True
        self._broken = self._broken or "it has been stopped"
        self._sequences.fail_all(lambda: Draining("The model is shutting down."))
        for left in self._open.values():
            left.set()
        self._processor.close()
        await asyncio.to_thread(self._thread.shutdown, wait=True)

    def _in_thread(self, work: Any, *arguments: Any) -> "asyncio.Future[Any]":
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _load(self) -> None:
        import torch
        from transformers import AutoModelForImageTextToText

        if self._torch_threads is not None and self._device == "cpu":
            torch.set_num_threads(self._torch_threads)
        dtype = self._dtype if self._dtype == "auto" else getattr(torch, self._dtype)
        self._processor.load()
        model: Any = AutoModelForImageTextToText.from_pretrained(self._folder, dtype=dtype)
        self._model = model.to(self._device).eval()

    def _run(self, post: Post, key: int, request: TokenRequest, left: Event) -> None:
        """In the thread: generate, and post each token to the event loop."""
        import torch

        if left.is_set():
            return
        if request.seed is not None:
            torch.manual_seed(request.seed)

        def stream(token: int) -> None:
            self._steps += 1
            post(self._deliver, key, token, request.stop_ids)

        with torch.inference_mode():
            self._model.generate(
                **self._inputs(request),
                generation_config=_config(request),
                streamer=_streamer(stream),
                stopping_criteria=_criteria(left),
            )

    def _inputs(self, request: TokenRequest) -> dict[str, Any]:
        import torch

        if request.image_prompt is None:
            ids = torch.tensor([request.prompt_ids], device=self._device)
            return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        dtype = self._model.dtype
        return {
            name: value.to(self._device, dtype if value.is_floating_point() else None)
            if isinstance(value, torch.Tensor)
            else value
            for name, value in request.image_prompt.inputs.items()
        }

    def _deliver(self, key: int, token: int, stop_ids: frozenset[int]) -> None:
        if token in stop_ids:
            self._stopped.add(key)
        else:
            self._sequences.deliver(key, Tokens((token,)))

    def _on_end(self, key: int, done: "asyncio.Future[None]") -> None:
        """The sequence has ended: by itself, by its consumer, or by an error."""
        left = self._open.pop(key)
        is_stopped = key in self._stopped
        self._stopped.discard(key)
        error = None if done.cancelled() else done.exception()
        if error is not None:
            reason = f"{type(error).__name__}: {error}"
            self._sequences.fail(key, model_failed(self._id, reason))
        elif left.is_set() or done.cancelled():
            self._sequences.release(key)
        else:
            self._sequences.deliver(key, Tokens((), "stop" if is_stopped else "length"))


def _config(request: TokenRequest) -> Any:
    """What the model's own configuration might set otherwise is given."""
    from transformers import GenerationConfig

    sampling: dict[str, Any] = {"do_sample": False}
    if request.temperature >= GREEDY_BELOW:
        sampling = {
            "do_sample": True,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "top_k": request.top_k,
            "min_p": request.min_p or None,
        }
    return GenerationConfig(
        max_new_tokens=request.max_tokens,
        eos_token_id=sorted(request.stop_ids) or [-1],
        pad_token_id=0,
        repetition_penalty=1.0,
        **sampling,
    )


def _streamer(stream: Callable[[int], None]) -> Any:
    """Passes generated tokens on; the first call brings the prompt."""
    from transformers.generation.streamers import BaseStreamer

    class Streamer(BaseStreamer):
        is_past_prompt = False

        def put(self, value: Any) -> None:
            if self.is_past_prompt:
                stream(int(value.reshape(-1)[-1]))
            self.is_past_prompt = True

        def end(self) -> None:
            pass

    return Streamer()


def _criteria(left: Event) -> Any:
    """Ends the sequence at the next token once it was left."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    class IsLeft(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
            return torch.full((input_ids.shape[0],), left.is_set(), device=input_ids.device)

    return StoppingCriteriaList([IsLeft()])
