"""The openvino-genai process: commands in, tokens out, one `step()` after another.

Runs in a child process (child.py). `GenerationWorker` is the loop's body, free of sockets, so that
tests drive it step by step.
"""

import gc
import select
import signal
import socket
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from deployments.model.engines.ipc_messages import (
    Cancel,
    GenerateCommand,
    Ready,
    Step,
    Stop,
    Unpacker,
    WorkerError,
    pack,
)
from deployments.model.engines.openvino_generation import GenerationWorker
from deployments.model.engines.openvino_grammars import (
    GrammarCompiler,
    PipelineRenewal,
    load_compiler,
)

_BLOCK = {"CPU": 32}  # tokens in one attention cache block; other devices use 16
_STEP_TOKENS = 512  # prompt tokens that one step takes, so that a long prompt delays others little
_REPORT_S = 0.05  # the longest time between reports of progress to the parent


class WorkerOptions(NamedTuple):
    """Parent to child, first message: what to load and how to size it."""

    folder: Path
    device: str
    threads: int
    precision: str
    max_running: int
    cache_tokens: int
    takes_images: bool = False


def load(options: WorkerOptions) -> Any:
    """The pipeline, sized explicitly; prefix caching off, because tenants share it."""
    import openvino_genai

    scheduler = openvino_genai.SchedulerConfig()
    scheduler.enable_prefix_caching = False
    scheduler.dynamic_split_fuse = True
    scheduler.max_num_seqs = options.max_running
    scheduler.max_num_batched_tokens = max(_STEP_TOKENS, options.max_running)
    scheduler.num_kv_blocks = -(-options.cache_tokens // _BLOCK.get(options.device, 16)) + 1
    properties: dict[str, Any] = {"INFERENCE_PRECISION_HINT": options.precision}
    if options.device == "CPU":
        properties["INFERENCE_NUM_THREADS"] = options.threads
        properties["ENABLE_CPU_PINNING"] = False
    return openvino_genai.ContinuousBatchingPipeline(
        options.folder, scheduler, options.device, properties
    )


def load_both(options: WorkerOptions) -> tuple[Any, GrammarCompiler | None]:
    """The pipeline, and the compiler of its grammars; pipelines with a vision part get none."""
    pipeline = load(options)
    if options.takes_images:
        return pipeline, None
    return pipeline, load_compiler(pipeline, options.folder, options.device)


def warm_up(worker: GenerationWorker) -> None:
    """One short sequence through every kind of step, so that no request waits for compilation."""
    worker.submit(
        GenerateCommand(0, (1, 1, 1), 4, frozenset(), 1.0, 1.0, 0, 0, 0.0, 0.0, True, 0.0)
    )
    while worker.busy:
        worker.turn()
    worker.steps = 0


def main(link: socket.socket) -> None:
    """Serve until the parent sends Stop or exits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    inbox = Inbox(link)
    try:
        options, *early = inbox.wait()
        pipeline, compiler = load_both(options)
        renewal = None if compiler is None else PipelineRenewal(partial(load_both, options))
        worker = GenerationWorker(
            pipeline,
            options.max_running,
            options.cache_tokens,
            compiler,
            renewal,
            takes_images=options.takes_images,
        )
        warm_up(worker)
        gc.freeze()
        link.sendall(pack(Ready()))
        serve(worker, link, inbox, early)
    except (BrokenPipeError, ConnectionResetError, EOFError):
        return
    except Exception as error:  # the process ends; the parent gets the reason
        link.sendall(pack(WorkerError(f"{type(error).__name__}: {error}"[:2000])))
        raise SystemExit(1) from error


def serve(
    worker: GenerationWorker, link: socket.socket, inbox: "Inbox", messages: list[Any]
) -> None:
    """Take messages, step, send; sleeps in `recv` when there is nothing to do."""
    last_news = 0.0
    while True:
        for message in messages:
            if isinstance(message, GenerateCommand):
                worker.submit(message)
            elif isinstance(message, Cancel):
                worker.cancel(message.key)
            elif isinstance(message, Stop):
                return
        early = worker.flush()
        if early:
            link.sendall(pack(Step(worker.steps, early)))
        batches = worker.turn() if worker.busy else []
        now = time.perf_counter()
        if batches or now - last_news >= _REPORT_S:
            link.sendall(pack(Step(worker.steps, batches)))
            last_news = now
        messages = inbox.take() if worker.busy else inbox.wait()


class Inbox:
    """The child's end of the socket, for reading. Raises EOFError once the parent has exited."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._unpacker = Unpacker()
        self._poll = select.poll()
        self._poll.register(link, select.POLLIN)

    def take(self) -> list[Any]:
        """Messages that have arrived."""
        messages: list[Any] = []
        while self._poll.poll(0):
            messages += self._receive()
        return messages

    def wait(self) -> list[Any]:
        """At least one message, after waiting for it."""
        messages: list[Any] = []
        while not messages:
            messages = self._receive()
        return messages

    def _receive(self) -> list[Any]:
        data = self._link.recv(1 << 18)
        if not data:
            raise EOFError
        return [message for messages in self._unpacker.feed(data) for message in messages]
