"""The openvino-genai process: commands in, tokens out, one `step()` after another.

Runs in a child process (child.py). `GenerationWorker` is the loop's body, free of sockets, so that
tests drive it step by step.
"""

import gc
import select
import signal
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from deployments.model.engines.ipc_messages import (
    Cancel,
    GenerateCommand,
    RawImage,
    Ready,
    Step,
    Stop,
    TokenBatch,
    Unpacker,
    WorkerError,
    pack,
)
from deployments.model.engines.openvino_grammars import (
    GrammarCompiler,
    PipelineRenewal,
    load_compiler,
    release_memory,
)

_BLOCK = {"CPU": 32}  # tokens in one attention cache block; other devices use 16
_STEP_TOKENS = 512  # prompt tokens that one step takes, so that a long prompt delays others little
_MOST_MIN_P = 1 - 2.0**-24  # the library takes no 1; this keeps the likeliest tokens only, too
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


@dataclass(slots=True)
class _Sequence:
    job: GenerateCommand
    handle: Any
    due: float
    held: list[int] = field(default_factory=list)
    generated: bool = False
    logprobs: list[float] = field(default_factory=list)
    prompt_logprobs: tuple[float | None, ...] = ()
    is_past_prompt: bool = True

    @property
    def begins_grammar(self) -> bool:
        """Whether the pipeline has yet to look its grammar up."""
        return bool(self.job.grammar) and not self.generated


class GenerationWorker:
    """Admits at most `max_running` jobs to the pipeline at once, first come first served.

    A job that could outgrow the whole cache is refused: the pipeline would give up its neighbours
    too. Tokens are held back, for as long as a job's `interval_s` allows, only where the next step
    ends within that too, if it takes as long as the last one.
    """

    def __init__(
        self,
        pipeline: Any,
        max_running: int,
        cache_tokens: int,
        compiler: GrammarCompiler | None = None,
        renewal: PipelineRenewal | None = None,
        now: Callable[[], float] = time.perf_counter,
        *,
        takes_images: bool = False,
    ) -> None:
        """Without a `compiler`, the pipeline compiles grammars in its steps; without a `renewal`,
        it is kept for ever. `now` gives seconds. `takes_images`: the model has a vision part.
        """
        self._takes_images = takes_images
        self._pipeline = pipeline
        self._retired: list[Any] = []  # pipelines that end their last sequences
        self._renewal = renewal
        self._compiler = compiler
        self._now = now
        self._step_s = 0.0
        self._max_running = max_running
        self._cache_tokens = cache_tokens
        self._waiting: OrderedDict[int, GenerateCommand] = OrderedDict()
        self._running: dict[int, _Sequence] = {}
        self._leaving: list[TokenBatch] = []
        self.steps = 0

    @property
    def busy(self) -> bool:
        return bool(self._running or self._waiting or self._leaving)

    def submit(self, job: GenerateCommand) -> None:
        self._waiting[job.key] = job

    def cancel(self, key: int) -> None:
        """A waiting job ends at once; a running one is dropped by the next step. Its tokens come
        with the report of its end.
        """
        held: tuple[int, ...] = ()
        if self._waiting.pop(key, None) is None:
            sequence = self._running.pop(key, None)
            if sequence is None:
                return
            sequence.handle.cancel()
            held = tuple(sequence.held) if sequence.is_past_prompt else ()
        self._leaving.append(TokenBatch(key, held, "cancelled"))

    def turn(self) -> list[TokenBatch]:
        """Admit, take one step, and collect its tokens. Raises errors of the pipeline."""
        batches = self._admit()
        began = self._now()
        if self._step():
            release_memory()
        now = self._now()
        self._step_s = now - began
        for key, sequence in list(self._running.items()):
            batch = self._collect(key, sequence, now)
            if batch is not None:
                batches.append(batch)
        batches += self._leaving
        self._leaving.clear()
        return batches

    def _step(self) -> bool:
        """One step of each pipeline; True where the last sequence of an old one has ended."""
        for pipeline in (self._pipeline, *self._retired):
            if pipeline.has_non_finished_requests():
                pipeline.step()
                self.steps += 1
        retired = self._retired
        self._retired = [each for each in retired if each.has_non_finished_requests()]
        return len(self._retired) < len(retired)

    def flush(self) -> list[TokenBatch]:
        """The tokens that are held back, before a step that reads prompts, which may take long."""
        if len(self._running) >= self._max_running:
            return []
        if not any(map(self._may_begin, self._waiting.values())):
            return []
        now = self._now()
        return [
            _flushed(key, sequence, None, "", now)
            for key, sequence in self._running.items()
            if sequence.held and sequence.is_past_prompt and sequence.due != float("inf")
        ]

    def _admit(self) -> list[TokenBatch]:
        refused = [] if self._compiler is None else self._refuse_grammars(self._compiler)
        for key, job in list(self._waiting.items()):
            if len(self._running) >= self._max_running:
                break
            if not self._may_begin(job):
                continue
            del self._waiting[key]
            if len(job.prompt) + job.max_tokens > self._cache_tokens:
                refused.append(TokenBatch(key, end="error", error=_TOO_SMALL))
                continue
            try:
                config = _config(job)
            except _REFUSALS as error:  # for the parameters of this job only
                refused.append(TokenBatch(key, end="refused", error=_reason(error)))
                continue
            try:
                handle = self._add_request(key, job, config)
            except (RuntimeError, ValueError) as error:  # only this job fails, by the engine
                refused.append(TokenBatch(key, end="error", error=_reason(error)))
                continue
            due = float("inf") if job.interval_s == float("inf") else 0.0
            self._running[key] = _Sequence(job, handle, due, is_past_prompt=not job.prompt_logprobs)
        return refused

    def _add_request(self, key: int, job: GenerateCommand, config: Any) -> Any:
        """Raises errors of the pipeline. Those with a vision part take texts, and no tokens."""
        if not self._takes_images:
            return self._pipeline.add_request(key, _tensor(job.prompt), config)
        config.apply_chat_template = False
        text = job.text
        if not job.images:
            tokenizer = self._pipeline.get_tokenizer()
            text = tokenizer.decode(list(job.prompt), skip_special_tokens=False)
        images = [_image_tensor(image) for image in job.images]
        return self._pipeline.add_request(key, text, images, config)

    def _refuse_grammars(self, compiler: GrammarCompiler) -> list[TokenBatch]:
        """Compile the next grammar; refuse the jobs of one that could not be compiled."""
        jobs = [job for job in self._waiting.values() if job.grammar]
        looked_up = any(each.begins_grammar for each in self._running.values())
        admitted = len(self._running) < self._max_running and any(map(self._may_begin, jobs))
        result = compiler.advance(
            [job.grammar for job in jobs],
            blocked=looked_up or admitted,
            wait_s=0.0 if self._running or self._leaving else _COMPILE_WAIT_S,
        )
        if result is not None:
            self._renew()
        if compiler.stuck:
            return self._drop([job.key for job in jobs], "error", _STUCK)
        if result is None or not result.error:
            return []
        failed = [job.key for job in jobs if job.grammar == result.grammar]
        return self._drop(failed, "refused", result.error)

    def _renew(self) -> None:
        """Change to new pipelines, once they are loaded, when many grammars were compiled."""
        if self._renewal is None:
            return
        loaded = self._renewal.take()
        if loaded is None:
            self._renewal.check()
            return
        self._retired.append(self._pipeline)
        self._pipeline, self._compiler = loaded

    def _drop(self, keys: list[int], end: str, error: str) -> list[TokenBatch]:
        for key in keys:
            del self._waiting[key]
        return [TokenBatch(key, end=end, error=error) for key in keys]

    def _may_begin(self, job: GenerateCommand) -> bool:
        """A job whose grammar is not compiled yet waits, and lets others pass."""
        compiler = self._compiler
        if compiler is None or not job.grammar:
            return True
        return not compiler.busy and compiler.knows(job.grammar)

    def _collect(self, key: int, sequence: _Sequence, now: float) -> TokenBatch | None:
        """The tokens to send now: none while they are held back, all of them at the end."""
        end: str | None = None
        error = ""
        if sequence.handle.can_read():
            outputs = sequence.handle.read()
            sequence.generated = True
            if not outputs:  # the cache cannot hold this sequence even alone
                end, error = "error", _TOO_SMALL
            for output in outputs.values():
                sequence.held += output.generated_ids
                sequence.logprobs += output.generated_log_probs
                end = _END.get(output.finish_reason.name, end)
            if not sequence.is_past_prompt:
                _take_prompt(sequence)
        is_held = sequence.is_past_prompt and bool(sequence.held)
        if end is None and not (is_held and now + self._step_s > sequence.due):
            return None
        if end is not None:
            del self._running[key]
        return _flushed(key, sequence, end, error, now)


_COMPILE_WAIT_S = 0.002  # an idle worker's wait for a compilation, between looks at its inbox
_REFUSALS = (RuntimeError, ValueError, TypeError, OverflowError)
_STUCK = "The compilation of a grammar does not end."
_TOO_SMALL = "The attention cache is too small for this sequence."
_END = {"STOP": "stop", "LENGTH": "length"}


def _take_prompt(sequence: _Sequence) -> None:
    """The library's tokens begin with the prompt's: keep of those the log probabilities only."""
    length = len(sequence.job.prompt)
    if len(sequence.held) < length:
        return
    sequence.prompt_logprobs = (None, *sequence.logprobs[1:length])
    del sequence.held[:length], sequence.logprobs[:length]
    sequence.is_past_prompt = True


def _flushed(key: int, sequence: _Sequence, end: str | None, error: str, now: float) -> TokenBatch:
    ids, job = sequence.held, sequence.job
    if ids and ids[-1] in job.stop_ids:
        ids = ids[:-1]
    logprobs = tuple(sequence.logprobs[: len(ids)]) if job.logprobs else ()
    prompt_logprobs, sequence.prompt_logprobs = sequence.prompt_logprobs, ()
    sequence.held, sequence.logprobs = [], []
    sequence.due = now + job.interval_s
    return TokenBatch(key, tuple(ids), end, logprobs, error, prompt_logprobs)


def _tensor(prompt: tuple[int, ...]) -> Any:
    import numpy as np
    import openvino

    return openvino.Tensor(np.array([prompt], dtype=np.int64))


def _image_tensor(image: RawImage) -> Any:
    """Of shape [height, width, 3]."""
    import numpy as np
    import openvino

    pixels = np.frombuffer(image.pixels, np.uint8).reshape(image.height, image.width, 3)
    return openvino.Tensor(pixels.copy())


def _config(job: GenerateCommand) -> Any:
    """openvino-genai's settings for one sequence.

    Penalties count generated tokens only, as OpenAI's do. Raises one of `_REFUSALS` for values that
    the library does not take.
    """
    import openvino_genai

    config = openvino_genai.GenerationConfig()
    config.max_new_tokens = job.max_tokens
    config.ignore_eos = not job.stop_ids  # it also disables stop_token_ids
    if job.stop_ids:
        config.set_eos_token_id(min(job.stop_ids))
        config.stop_token_ids = set(job.stop_ids)
    config.do_sample = job.temperature > 0
    if config.do_sample:
        config.temperature = job.temperature
        config.top_p = job.top_p
        config.rng_seed = job.seed
        if job.top_k:
            config.top_k = job.top_k
        if job.min_p:
            config.min_p = min(job.min_p, _MOST_MIN_P)
    config.presence_penalty = job.presence_penalty
    config.frequency_penalty = job.frequency_penalty
    config.repetition_penalty = job.repetition_penalty
    config.logprobs = int(job.logprobs)
    config.echo = job.prompt_logprobs
    if job.grammar:
        structure = openvino_genai.StructuredOutputConfig(grammar=job.grammar)
        config.structured_output_config = structure
    config.validate()
    return config


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:2000]


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
