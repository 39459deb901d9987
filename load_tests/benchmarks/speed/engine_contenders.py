"""The engines that `bench engine` compares, behind one way to run them.

In: prompts, how many at once, how many tokens each. Out: nothing; the caller holds the watch. Each
makes exactly that many tokens greedily for every prompt, with the same number of threads.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from deployments.contracts.engine import Engine, TokenRequest
from deployments.model.engines.openvino import OpenVinoEngine, OpenVinoSizing
from deployments.model.engines.reference_engine import ReferenceEngine
from deployments.model.engines.transformers import TorchSizing, TransformersEngine
from deployments.model.model_files import ModelFiles

Prompt = tuple[int, ...]
MAX_RUNNING = 32
_CACHE_TOKENS = 64 * 256


class EngineContender(Protocol):
    """`serial`: it takes one request at a time, so more at once would change nothing."""

    name: str
    serial: bool

    async def start(self) -> None: ...

    async def run(self, prompts: Sequence[Prompt], concurrency: int, tokens: int) -> None: ...

    async def stop(self) -> None: ...


class OurEngine:
    """One of Mobula's engines, whole answers or a stream with chunks every 20 ms."""

    serial = False

    def __init__(self, name: str, engine: Engine, interval_s: float) -> None:
        self.name = name
        self._engine = engine
        self._interval_s = interval_s

    async def start(self) -> None:
        await self._engine.start()

    async def run(self, prompts: Sequence[Prompt], concurrency: int, tokens: int) -> None:
        door = asyncio.Semaphore(concurrency)

        async def one(prompt: Prompt) -> None:
            async with door:
                made = 0
                async for batch in self._engine.generate(self._request(prompt, tokens)):
                    made += len(batch.ids)
                if made != tokens:
                    raise RuntimeError(f"{self.name} made {made} tokens of {tokens}")

        await asyncio.gather(*map(one, prompts))

    async def stop(self) -> None:
        await self._engine.stop()

    def _request(self, prompt: Prompt, tokens: int) -> TokenRequest:
        nothing: frozenset[int] = frozenset()
        return TokenRequest(
            "bench", prompt, tokens, nothing, temperature=0.0, interval_s=self._interval_s
        )


class PlainGenerate:
    """transformers' `generate`, one prompt after another: what a minimal server does."""

    name = "transformers generate"
    serial = True

    def __init__(self, folder: Path, threads: int) -> None:
        self._folder = folder
        self._threads = threads
        self._oracle: ReferenceEngine | None = None

    async def start(self) -> None:
        self._oracle = await asyncio.to_thread(ReferenceEngine, self._folder, self._threads)

    async def run(self, prompts: Sequence[Prompt], concurrency: int, tokens: int) -> None:
        assert self._oracle is not None
        for prompt in prompts:
            await asyncio.to_thread(self._oracle.generate, prompt, tokens)

    async def stop(self) -> None:
        self._oracle = None


class PlainBatching:
    """transformers' continuous batching at its best: sized by hand, greedy, whole answers."""

    name = "transformers continuous batching"
    serial = False

    def __init__(self, folder: Path, threads: int) -> None:
        self._folder = folder
        self._threads = threads
        self._manager: Any = None
        self._count = 0

    async def start(self) -> None:
        await asyncio.to_thread(self._load)

    async def run(self, prompts: Sequence[Prompt], concurrency: int, tokens: int) -> None:
        door = asyncio.Semaphore(concurrency)

        async def one(prompt: Prompt) -> None:
            async with door:
                self._count += 1
                name = f"bench-{self._count}"
                done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
                self._manager.register_result_handler(name, done.set_result)
                self._manager.add_request(list(prompt), name, tokens, eos_token_id=[-1])
                output = await done
                if output.error or len(output.generated_tokens) != tokens:
                    raise RuntimeError(f"{self.name}: {output.error or 'too few tokens'}")

        await asyncio.gather(*map(one, prompts))

    async def stop(self) -> None:
        await asyncio.to_thread(self._manager.stop, True, 10.0)

    def _load(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

        torch.set_num_threads(self._threads)
        model: Any = AutoModelForCausalLM.from_pretrained(
            self._folder, dtype=torch.float32, attn_implementation="sdpa"
        )
        sizes = ContinuousBatchingConfig(
            num_blocks=64,
            max_batch_tokens=256,
            max_requests_per_batch=MAX_RUNNING,
            allow_block_sharing=False,
            auto_switch_to_flash=False,
        )
        greedy = GenerationConfig(do_sample=False, eos_token_id=-1)
        self._manager = model.init_continuous_batching(greedy, sizes)
        self._manager.start()


def create_contenders(files: ModelFiles, threads: int) -> list[EngineContender]:
    """Everything that this machine can run for this model; Mobula's own first."""
    contenders: list[EngineContender] = []
    if files.ir is not None:
        sizing = OpenVinoSizing(MAX_RUNNING, _CACHE_TOKENS, threads)
        all_at_once = OpenVinoEngine("bench", files.ir, sizing)
        stream = OpenVinoEngine("bench", files.ir, sizing)
        contenders.append(OurEngine("openvino", all_at_once, float("inf")))
        contenders.append(OurEngine("openvino, streamed", stream, 0.02))
    torch_sizing = TorchSizing(MAX_RUNNING, _CACHE_TOKENS, threads)
    ours = TransformersEngine("bench", files.folder, torch_sizing)
    contenders.append(OurEngine("transformers", ours, float("inf")))
    contenders.append(PlainBatching(files.folder, threads))
    contenders.append(PlainGenerate(files.folder, threads))
    return contenders
