"""Grammars of the openvino-genai process, compiled before the pipeline meets them.

openvino-genai compiles a grammar inside `step()`: every sequence waits for it, and a grammar that
it cannot compile ends the pipeline. A second pipeline over the same tokenizer shares its cache
of compiled grammars; what it compiles in a thread of low priority costs `step()` nothing later, and
what fails there fails alone. The library forgets no grammar: after many different ones, both
pipelines are loaded anew (`PipelineRenewal`); the old one is left when its sequences have ended.
"""

import contextlib
import ctypes
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

_LARGEST_WEIGHTS = 256 << 20  # bytes; of larger models no second copy is loaded
_LOWEST_PRIORITY = 19
_PATIENCE_S = 60.0
_FIRST = 'root ::= "a"'


_LARGEST_GROWTH = 96 << 20  # bytes of compiled grammars, before the pipelines are loaded anew


class GrammarResult(NamedTuple):
    """A compiled grammar; `error` is the library's reason where there is none."""

    grammar: str
    error: str


class GrammarCompiler:
    """Compiles one grammar at a time; `compile_grammar` runs in a thread and raises RuntimeError.

    The pipeline's own first use of a grammar waits for a compilation that is under way, so the
    worker starts none while a sequence with a grammar has not generated yet.
    """

    def __init__(self, compile_grammar: Callable[[str], None]) -> None:
        self._compile_grammar = compile_grammar
        self._known: set[int] = set()  # hashes: the library forgets none
        self._result: GrammarResult | None = None
        self._thread: threading.Thread | None = None
        self._started_at = 0.0

    @property
    def busy(self) -> bool:
        return self._thread is not None

    @property
    def stuck(self) -> bool:
        """Whether a compilation does not end. Any use of a grammar would wait for it."""
        return self.busy and time.monotonic() - self._started_at > _PATIENCE_S

    def knows(self, grammar: str) -> bool:
        """Whether the pipeline may use it at once."""
        return hash(grammar) in self._known

    def advance(
        self, wanted: Sequence[str], *, blocked: bool, wait_s: float
    ) -> GrammarResult | None:
        """Take the compilation that has ended; start that of the first unknown grammar of `wanted`.

        None is started while the pipeline is about to look one up (`blocked`).
        """
        result = self.take(wait_s)
        if not (self.busy or blocked or (result is not None and result.error)):
            unknown = next((grammar for grammar in wanted if not self.knows(grammar)), None)
            if unknown is not None:
                self.start(unknown)
        return result

    def start(self, grammar: str) -> None:
        """Compile `grammar` in a thread; not while one is `busy`."""
        self._started_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(grammar,), daemon=True)
        self._thread.start()

    def take(self, wait_s: float = 0.0) -> GrammarResult | None:
        """The compilation that has ended since; waits up to `wait_s` for one that is under way."""
        if self._thread is None:
            return None
        self._thread.join(wait_s)
        if self._thread.is_alive():
            return None
        self._thread, result = None, self._result
        if result is not None and not result.error:
            self._known.add(hash(result.grammar))
        return result

    def _run(self, grammar: str) -> None:
        with contextlib.suppress(OSError):  # of this thread, and of those that the library starts
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        try:
            self._compile_grammar(grammar)
        except Exception as error:  # noqa: BLE001 - any reason refuses the request
            self._result = GrammarResult(grammar, f"{type(error).__name__}: {error}"[:2000])
        else:
            self._result = GrammarResult(grammar, "")


class PipelineRenewal:
    """Loads a pipeline and its compiler in a thread, when the process has grown by grammars."""

    def __init__(
        self,
        load: Callable[[], tuple[Any, GrammarCompiler | None]],
        memory: Callable[[], int] = lambda: psutil.Process().memory_info().rss,
    ) -> None:
        """`memory` gives the bytes of this process."""
        self._load = load
        self._memory = memory
        self._least = memory()
        self._thread: threading.Thread | None = None
        self._loaded: tuple[Any, GrammarCompiler | None] | None = None

    def check(self) -> None:
        """Begin to load, where it is time; call it once a grammar has been compiled."""
        used = self._memory()
        self._least = min(self._least, used)
        if self._thread is None and used - self._least > _LARGEST_GROWTH:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def take(self) -> tuple[Any, GrammarCompiler | None] | None:
        """What has been loaded since."""
        if self._thread is None or self._thread.is_alive():
            return None
        self._thread, loaded = None, self._loaded
        self._loaded = None
        self._least = self._memory()  # with both; less once the old one is gone
        return loaded

    def _run(self) -> None:
        with contextlib.suppress(RuntimeError, OSError, MemoryError):
            self._loaded = self._load()


def release_memory() -> None:
    """Give what was freed back to the system, where the C library can (glibc)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def load_compiler(pipeline: Any, folder: Path, device: str) -> GrammarCompiler | None:
    """A compiler beside `pipeline`; None for a model that is too large to be loaded twice."""
    weights = folder / "openvino_model.bin"
    if not weights.exists() or weights.stat().st_size > _LARGEST_WEIGHTS:
        return None
    import openvino_genai

    scheduler = openvino_genai.SchedulerConfig()
    scheduler.enable_prefix_caching = False
    scheduler.max_num_seqs = 1
    scheduler.max_num_batched_tokens = 32
    scheduler.num_kv_blocks = 4
    cpu = {"INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
    properties = cpu if device == "CPU" else {}
    second = openvino_genai.ContinuousBatchingPipeline(
        folder,
        pipeline.get_tokenizer(),
        scheduler,
        device,
        **properties,
    )
    compiler = GrammarCompiler(lambda grammar: _compile(second, grammar))
    compiler.start(_FIRST)  # prepares the vocabulary
    compiler.take(wait_s=60.0)
    return compiler


def _compile(pipeline: Any, grammar: str) -> None:
    """One token by `grammar`: the cache is filled by the way."""
    import numpy as np
    import openvino
    import openvino_genai

    config = openvino_genai.GenerationConfig()
    config.max_new_tokens = 1
    config.structured_output_config = openvino_genai.StructuredOutputConfig(grammar=grammar)
    pipeline.generate([openvino.Tensor(np.ones((1, 1), dtype=np.int64))], [config])
