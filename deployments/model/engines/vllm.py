"""The NVIDIA engine: vLLM's AsyncLLM, written against its public methods as of vLLM 0.33.

In: TokenRequests. Out: Tokens. Prefix caching is on, with a salt a tenant: tenants share no cache
block. vLLM is an optional install and is imported only here, when a model starts.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cluster.runtime.problems import Draining, Problem
from deployments.contracts.engine import EngineStats, ImagePrompt, TokenRequest, Tokens
from deployments.contracts.generation import FinishReason
from deployments.contracts.images import MAX_IMAGES, DecodedImage
from deployments.model.engines.features import ALL, refuse_unsupported
from deployments.model.engines.image_processor import (
    ImageProcessor,
    pillow_images,
    takes_images,
)
from deployments.model.engines.sequences import merge_tokens
from deployments.model.errors import refused_parameters, replica_lost
from deployments.model.model_files import ModelFiles
from deployments.model.spec import ModelSpec

_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length", "repetition": "stop"}
_BLOCK = 16


@dataclass(frozen=True, slots=True)
class VllmSizing:
    """How the engine is sized; `cache_tokens` None lets vLLM take the GPU memory that is left."""

    context_length: int
    max_running: int = 32
    cache_tokens: int | None = None
    dtype: str = "auto"


class VllmEngine:
    """One model in vLLM's own engine process."""

    name = "vllm"
    supports: frozenset[str] = ALL - {"images"}

    def __init__(
        self, model: str, folder: Path, sizing: VllmSizing, processor: ImageProcessor | None = None
    ) -> None:
        """`processor` is that of a model that takes pictures (None: it takes none)."""
        self._processor = processor
        if processor is not None:
            self.supports = ALL
        self._model = model
        self._folder = folder
        self._sizing = sizing
        self._llm: Any = None
        self._stopping = asyncio.Event()
        self._open = self._submitted = self._finished = self._failed = self._tokens = 0

    @classmethod
    def build(
        cls, spec: ModelSpec, files: ModelFiles | None, context_length: int, home: Path
    ) -> Self:
        assert files is not None, "vllm needs a model's files"
        sizing = VllmSizing(context_length, spec.max_running, spec.cache_tokens, spec.dtype)
        processor = ImageProcessor(spec.id, files.folder) if takes_images(files.folder) else None
        return cls(spec.id, files.folder, sizing, processor)

    async def start(self) -> None:
        """Raises RuntimeError when vLLM is missing or the model cannot be loaded."""
        try:
            if self._processor is not None:
                await asyncio.to_thread(self._processor.load)
            self._llm = await asyncio.to_thread(self._load)
        except ImportError as error:
            raise RuntimeError(
                "engine 'vllm' needs: pip install vllm (NVIDIA GPUs only)"
            ) from error
        except (OSError, ValueError) as error:
            raise RuntimeError(f"cannot load {self._folder}: {error}") from error
        warm_up = TokenRequest("warm-up", (1, 1, 1), 2, frozenset(), temperature=0.0)
        async for _ in self.generate(warm_up):
            pass
        self._submitted = self._finished = self._tokens = 0

    async def encode_images(self, prompt: str, images: Sequence[DecodedImage]) -> ImagePrompt:
        """Implements `ImageEngine`. vLLM gets one placeholder for each picture, and makes the
        same tokens of them; here they are counted."""
        assert self._processor is not None, "refused before: the engine supports no images"
        encoded = await self._processor.encode(prompt, images)
        ids = self._processor.placeholder_ids(prompt)
        return ImagePrompt(encoded.ids, (ids, pillow_images(images)))

    async def generate(self, request: TokenRequest) -> AsyncGenerator[Tokens, None]:
        refuse_unsupported(request, self.supports, self.name)
        if self._stopping.is_set():
            raise Draining("The model is shutting down.")
        try:
            sampling = _sampling(request)
        except (ValueError, TypeError, OverflowError) as error:
            raise refused_parameters(self._model, f"{type(error).__name__}: {error}") from error
        self._submitted += 1
        self._open += 1
        key = f"{request.request_id}#{self._submitted}"  # vLLM wants ids that never repeat
        outputs = self._llm.generate(_prompt(request), sampling, key)
        held: list[Tokens] = []
        begun = finished = failed = False
        try:
            async for output in outputs:
                begun = True
                held.append(_tokens(output, request))
                self._tokens += len(held[-1].ids)
                finished = held[-1].finish_reason is not None
                if finished or request.interval_s != float("inf"):
                    tokens = merge_tokens(held)
                    held.clear()
                    yield tokens
        except Exception as error:
            failed = True
            raise self._problem(error, begun) from error
        finally:
            self._open -= 1
            self._finished += finished and not failed
            self._failed += failed
            await outputs.aclose()  # vLLM aborts the request when its generator is closed
            # What it generated in its last step, and has not given out, is not known here.
            if request.on_left is not None and not (finished or failed):
                request.on_left(merge_tokens(held))

    def _problem(self, error: Exception, begun: bool) -> Problem:
        """vLLM raises ValueError for a request that it does not take."""
        if self._stopping.is_set():
            return Draining("The model is shutting down.")
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, ValueError) and not begun:
            self._submitted, self._failed = self._submitted - 1, self._failed - 1
            return refused_parameters(self._model, reason)
        return replica_lost(self._model, reason)

    def stats(self) -> EngineStats:
        running = min(self._open, self._sizing.max_running)
        return EngineStats(
            running=running,
            waiting=self._open - running,
            submitted=self._submitted,
            finished=self._finished,
            cancelled=self._submitted - self._finished - self._failed - self._open,
            failed=self._failed,
            tokens_out=self._tokens,
            handlers=self._open,
        )

    def check_health(self) -> None:
        if self._llm is None or self._llm.errored:
            raise RuntimeError("the vLLM engine is not running")

    async def stop(self) -> None:
        self._stopping.set()
        if self._llm is not None:
            await asyncio.to_thread(self._llm.shutdown)

    def _load(self) -> Any:
        from vllm.config import StructuredOutputsConfig
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        sizing = self._sizing
        blocks = None if sizing.cache_tokens is None else -(-sizing.cache_tokens // _BLOCK)
        arguments = AsyncEngineArgs(
            model=str(self._folder),
            skip_tokenizer_init=False,  # grammars need the vocabulary; no text is decoded there
            structured_outputs_config=StructuredOutputsConfig(backend="xgrammar"),
            dtype=sizing.dtype,
            max_model_len=sizing.context_length,
            max_num_seqs=sizing.max_running,
            block_size=_BLOCK,
            num_gpu_blocks_override=blocks,
            enable_prefix_caching=True,
            generation_config="vllm",  # ours are explicit; take none from the model's folder
            enable_log_requests=False,
            disable_log_stats=True,
        )
        if self._processor is not None:
            arguments.limit_mm_per_prompt = {"image": MAX_IMAGES}
        return AsyncLLM.from_engine_args(arguments)


def _prompt(request: TokenRequest) -> dict[str, Any]:
    """vLLM's TokensPrompt. Of pictures it has one placeholder each, which vLLM makes more of.

    The salt becomes part of the first block's hash, hence of every later one's.
    """
    salt = hashlib.sha256(request.tenant.encode()).hexdigest()
    if request.image_prompt is not None:
        ids, images = request.image_prompt.inputs
        return {
            "prompt_token_ids": ids,
            "multi_modal_data": {"image": images},
            "cache_salt": salt,
        }
    return {"prompt_token_ids": list(request.prompt_ids), "cache_salt": salt}


def _sampling(request: TokenRequest) -> Any:
    from vllm.sampling_params import RequestOutputKind, SamplingParams

    return SamplingParams(
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        seed=request.seed,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        logprobs=request.logprobs,
        prompt_logprobs=request.logprobs if request.prompt_logprobs else None,
        min_p=request.min_p,
        repetition_penalty=request.repetition_penalty,
        logit_bias=dict(request.logit_bias) or None,
        stop_token_ids=sorted(request.stop_ids),
        ignore_eos=True,  # the stop ids say what ends a sequence
        detokenize=False,
        structured_outputs=_structured_outputs(request.grammar) if request.grammar else None,
        output_kind=RequestOutputKind.DELTA,  # what was generated is known whenever it is left
    )


def _structured_outputs(grammar: str) -> Any:
    from vllm.sampling_params import StructuredOutputsParams

    return StructuredOutputsParams(grammar=grammar)


def _tokens(request_output: Any, request: TokenRequest) -> Tokens:
    """One RequestOutput as Tokens; `logprobs` there are lists of {token id: Logprob}."""
    output = request_output.outputs[0]
    ids = list(output.token_ids)
    reason = output.finish_reason
    if reason not in (None, *_REASONS):
        raise RuntimeError(f"vLLM ended the request with '{reason}'")
    if reason is not None and ids and ids[-1] in request.stop_ids:
        ids.pop()
    end = None if reason is None else _REASONS[reason]
    cached = request_output.num_cached_tokens or 0
    if request.logprobs is None:
        return Tokens(tuple(ids), end, cached=cached)
    chosen, top = _logprobs(ids, output.logprobs or (), request.logprobs)
    prompt, prompt_top = _logprobs(
        request.prompt_ids, request_output.prompt_logprobs or (), request.logprobs
    )
    known = tuple(logprob for logprob in chosen if logprob is not None)
    return Tokens(tuple(ids), end, known, top, prompt, prompt_top, cached)


def _logprobs(
    ids: Sequence[int], entries: Sequence[Any], alternatives: int
) -> tuple[tuple[float | None, ...], tuple[tuple[tuple[int, float], ...], ...]]:
    """Of each token, and its alternatives, best first. The first token of a prompt has none."""
    chosen: list[float | None] = []
    top: list[tuple[tuple[int, float], ...]] = []
    for token, entry in zip(ids, entries, strict=False):
        chosen.append(None if entry is None else entry[token].logprob)
        others = () if entry is None else ((t, each.logprob) for t, each in entry.items())
        top.append(tuple(sorted(others, key=lambda pair: -pair[1])[:alternatives]))
    return tuple(chosen), tuple(top) if alternatives else ()
