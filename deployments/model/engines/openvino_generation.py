"""The sequences of an openvino-genai pipeline: jobs in, tokens out, one step after another."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deployments.model.engines.ipc_messages import GenerateCommand, TokenBatch
from deployments.model.engines.openvino_grammars import (
    GrammarCompiler,
    PipelineRenewal,
    release_memory,
)
from deployments.model.engines.openvino_inputs import (
    REFUSALS,
    generation_config,
    image_tensor,
    prompt_tensor,
)

_COMPILE_WAIT_S = 0.002  # an idle worker's wait for a compilation, between looks at its inbox
_STUCK = "The compilation of a grammar does not end."
_TOO_SMALL = "The attention cache is too small for this sequence."
_END = {"STOP": "stop", "LENGTH": "length"}


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
                config = generation_config(job)
            except REFUSALS as error:  # for the parameters of this job only
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
            return self._pipeline.add_request(key, prompt_tensor(job.prompt), config)
        config.apply_chat_template = False
        text = job.text
        if not job.images:
            tokenizer = self._pipeline.get_tokenizer()
            text = tokenizer.decode(list(job.prompt), skip_special_tokens=False)
        images = [image_tensor(image) for image in job.images]
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


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:2000]
