"""The child that holds the model: started on demand, asked for one window after another, ended.

Every method but `idle_s` blocks, and is called from one thread that outlives the child.
"""

import os
import signal
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from deployments.contracts.speech import SpeechSegment, SpeechWord
from deployments.sandbox import ChildLimits, clear_abandoned, private_folder
from deployments.sandbox.errors import MediaTimeout, MediaTooLarge, SandboxFailed
from deployments.sandbox.python_child import python_command
from deployments.sandbox.resident_child import ChildEnded, ResidentChild
from deployments.speech.models import SpeechModel

MODULE = "deployments.speech.recognition_worker"
LOAD_S, WINDOW_S = 180.0, 180.0  # wall time, also on a machine that is busy
WINDOWS = 5000  # that one child recognises, then another one takes over
ATTEMPTS = 2  # at a window, each in a new child
_GIB = 1 << 30
_QUIET = {"ORT_DISABLE_TELEMETRY": "1"}  # of onnxruntime; it would find no network anyway


class _AnsweredWord(msgspec.Struct, array_like=True):
    text: str
    start: float
    end: float
    probability: float


class _AnsweredSegment(msgspec.Struct):
    start: float
    end: float
    text: str
    words: list[_AnsweredWord]
    no_speech_probability: float
    average_log_probability: float
    compression_ratio: float
    temperature: float
    tokens: list[int]


class WindowAnswer(msgspec.Struct):
    """`consumed` samples of the block are done; times are seconds of the block. `unsure`: only the
    language was looked for."""

    consumed: int
    segments: list[_AnsweredSegment]
    language: str | None = None
    probability: float = 0.0
    unsure: bool = False

    def segments_from(self, start_s: float) -> list[SpeechSegment]:
        """The segments of a block that begins at `start_s` of the source."""
        return [
            SpeechSegment(
                start=start_s + one.start,
                end=start_s + one.end,
                text=one.text,
                words=tuple(
                    SpeechWord(word.text, start_s + word.start, start_s + word.end,
                               word.probability)
                    for word in one.words
                ),
                no_speech_probability=one.no_speech_probability,
                average_log_probability=one.average_log_probability,
                compression_ratio=one.compression_ratio,
                temperature=one.temperature,
                tokens=tuple(one.tokens),
            )
            for one in self.segments
        ]  # fmt: skip


class RecognitionChild:
    """`threads` are the engine's; `gpu`: it takes an NVIDIA GPU if one works. Its folder is made in
    `scratch`."""

    def __init__(self, scratch: Path, threads: int, clock: Clock, *, gpu: bool = False) -> None:
        self._scratch, self._threads, self._clock = scratch, threads, clock
        self._gpu = gpu and Path("/dev/nvidiactl").exists()
        self._closing = False
        self._child: ResidentChild | None = None
        self._model: SpeechModel | None = None
        self._resources = ExitStack()  # the child's folder
        self._windows = 0
        self._used = clock.monotonic()
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """None: it is not running."""
        return None if self._child is None else self._child.pid

    def idle_s(self) -> float:
        """Seconds since the last window."""
        return self._clock.monotonic() - self._used

    def recognise(
        self, model: SpeechModel, request: dict[str, Any], samples: bytes
    ) -> WindowAnswer:
        """Raises MediaTooLarge (memory), MediaTimeout, SandboxFailed, SandboxUnavailable."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._answer(model, {**request, "bytes": len(samples)}, samples)
            except ChildEnded as end:
                self.end()
                if attempt < ATTEMPTS and not self._closing:
                    continue
                if end.timed_out:
                    raise MediaTimeout("speech", WINDOW_S) from end
                raise
            finally:
                self._used = self._clock.monotonic()
        raise AssertionError("unreachable")

    def end(self) -> None:
        """Gives its memory back; the next window starts another one."""
        if self._child is not None:
            self._child.kill()
            self._child = None
        self._resources.close()

    def interrupt(self) -> None:
        """Ends a window in progress, and all work of this child. From any thread."""
        self._closing = True
        if (pid := self.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _answer(self, model: SpeechModel, request: dict[str, Any], samples: bytes) -> WindowAnswer:
        child = self._running(model)
        self._windows += 1
        answer = child.request(request, samples, WINDOW_S)
        match answer.get("problem"):
            case None:
                pass
            case "memory":
                self.end()
                raise MediaTooLarge("memory_bytes", self._limits(model).memory_bytes or 0)
            case _:
                raise _fault(self)
        try:
            return msgspec.convert(answer, WindowAnswer)
        except msgspec.ValidationError as error:
            raise _fault(self) from error

    def _running(self, model: SpeechModel) -> ResidentChild:
        if self._child is not None and (
            not self._child.is_running() or self._windows >= WINDOWS or model != self._model
        ):
            self.end()
        if self._child is None:
            self._child = self._start(model)
            self._model, self._windows = model, 0
        return self._child

    def _start(self, model: SpeechModel) -> ResidentChild:
        clear_abandoned(self._scratch)
        folder = self._resources.enter_context(private_folder(self._scratch))
        setup = {"folder": str(model.folder), "gpu": self._gpu, "threads": self._threads}
        command = python_command(
            MODULE,
            folder,
            (msgspec.json.encode(setup).decode(),),
            self._limits(model),
            self._threads,
            model.readable,
        )
        self.starts += 1
        child = ResidentChild(replace(command, environment={**command.environment, **_QUIET}))
        self._child = child
        child.receive(LOAD_S)
        return child

    def _limits(self, model: SpeechModel) -> ChildLimits:
        """Address space, not memory: base takes 0.3 GiB of memory. GPU drivers map far more."""
        memory = 4 * _GIB + 4 * model.bytes if not self._gpu else None
        return ChildLimits(
            memory_bytes=memory, cpu_s=7 * 86_400, wall_s=0.0, output_bytes=16 << 20, files=256
        )


def _fault(child: RecognitionChild) -> Problem:
    child.end()
    return SandboxFailed()
