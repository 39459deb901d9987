"""The speech recogniser of a process.

Flows in: a recording. Flows out: its language, segments and progress, one window of at most 30 s
after another. Windows of recordings that are transcribed at once take turns, in the order of their
requests, so a short one does not wait for the end of a long one. A crashed child costs the window
that it was at.
"""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cluster.runtime.background import PeriodicTask, run_to_end
from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.problems import InvalidRequest
from deployments.contracts.media import Seconds
from deployments.contracts.speech import (
    DetectedLanguage,
    SpeechOptions,
    SpeechProgress,
    SpeechSegment,
)
from deployments.sandbox import private_folder
from deployments.speech.decoding import RATE, DecodedSound, decode_sound
from deployments.speech.languages import LANGUAGES
from deployments.speech.models import OFF, SpeechModel, find_model
from deployments.speech.plausibility import MAX_REPEATS, in_order, plausible
from deployments.speech.recognition_child import RecognitionChild, WindowAnswer
from deployments.speech.windows import BLOCK_S

IDLE_S = 300.0
CHECK_S = 15.0
SURE = 0.5  # probability of a language
ONLY_LANGUAGE = 2.0  # no language is as sure
LANGUAGE_WINDOWS = 3  # heard before the likeliest language is taken
MAX_THREADS = 4
CACHE = "models"  # in the home
RESIDENTS = "resident"  # in the scratch folder: what is there while no recording is in work

T = TypeVar("T")
Recognised = DetectedLanguage | SpeechSegment | SpeechProgress


@dataclass(slots=True)
class _WorkingRecording:
    """One recording in work. `position` is the first sample that is not done."""

    sound: DecodedSound
    options: SpeechOptions
    language: str | None
    position: int = 0
    said_until: Seconds = 0.0
    last_text: str = ""
    repeats: int = 0

    def block(self, position: int) -> tuple[bytes, bool]:
        """Samples from `position` on, and whether they are the last."""
        count = round(BLOCK_S * RATE)
        return self.sound.read(position, count), position + count >= self.sound.samples

    def request(self, *, last: bool, least: float) -> dict[str, Any]:
        """A request for the next window; a language found with less than the probability `least`
        is not used."""
        return {
            "task": self.options.task,
            "language": self.language,
            "prompt": self.options.prompt,
            "temperature": self.options.temperature,
            "words": self.options.words,
            "last": last,
            "least": least,
        }

    def take(self, answer: WindowAnswer) -> Sequence[SpeechSegment]:
        """The plausible segments of an answer; its block is done as far as it says."""
        taken = []
        for segment in answer.segments_from(self.sound.second(self.position)):
            said = plausible(segment)
            said = None if said is None else in_order(said, self.said_until)
            if said is None or self._is_loop(said.text):
                continue
            self.said_until = said.words[-1].end if said.words else said.end
            taken.append(said)
        self.position += consumed_of(answer)
        return taken

    def _is_loop(self, text: str) -> bool:
        same = text.strip().casefold() == self.last_text
        self.repeats = self.repeats + 1 if same else 1
        self.last_text = text.strip().casefold()
        return self.repeats > MAX_REPEATS


class SpeechEngine:
    """A SpeechRecognizer. Its child starts with the first recording, and ends after IDLE_S without
    one. Use it on one event loop, and `close` it there."""

    def __init__(
        self,
        setting: str | None,
        home: Path,
        *,
        gpu: bool = False,
        threads: int | None = None,
        clock: Clock | None = None,
        scratch: Path | None = None,
        child: RecognitionChild | None = None,
    ) -> None:
        """`setting` names the model (models.py); `home` keeps what is joined. `threads` defaults to
        the cores of this process, MAX_THREADS at most."""
        self._setting, self._cache = setting, home / CACHE
        self._scratch = scratch or home / "scratch"
        threads = threads or min(MAX_THREADS, len(os.sched_getaffinity(0)))
        self._child = child or RecognitionChild(
            self._scratch / RESIDENTS, threads, clock or SystemClock(), gpu=gpu
        )
        # One thread, which starts the child: the kernel kills the child when that thread ends.
        self._thread = ThreadPoolExecutor(1, "speech")
        self._idle_checks = PeriodicTask(
            self.end_if_idle, CHECK_S, "the end of idle speech recognition", delayed=True
        )
        self._model: SpeechModel | None = None
        self._is_checking = False
        self._open = 0

    @property
    def child_pid(self) -> int | None:
        """The child's process id; None: it is not running."""
        return self._child.pid

    async def transcribe(
        self, source: Path, stream: int | None, options: SpeechOptions, duration_s: Seconds
    ) -> AsyncGenerator[Recognised, None]:
        """As SpeechRecognizer.transcribe."""
        _check_language(options)
        end = duration_s if options.end is None else min(options.end, duration_s)
        self._open += 1
        try:
            if self._model is None:
                await self._in_thread(self._find_model)
            self._start_idle_checks()
            async with AsyncExitStack() as stack:
                folder = stack.enter_context(private_folder(self._scratch))
                sound = await _decoded(source, stream, options.start, end, folder)
                work = _WorkingRecording(sound, options, options.language, said_until=options.start)
                results = await stack.enter_async_context(aclosing(self._windows(work, end)))
                async for result in results:
                    yield result
        finally:
            self._open -= 1

    async def end_if_idle(self) -> None:
        """Ends the child if nothing was asked of it for IDLE_S."""
        if self._open == 0 and self._child.pid is not None and self._child.idle_s() >= IDLE_S:
            await self._in_thread(self._child.end)

    async def close(self) -> None:
        """Ends the child; recordings in work fail."""
        await self._idle_checks.close()
        self._child.interrupt()
        await run_to_end(self._in_thread(self._child.end))
        self._thread.shutdown(wait=False)

    async def _windows(
        self, work: _WorkingRecording, end: Seconds
    ) -> AsyncGenerator[Recognised, None]:
        announced = work.language is not None
        if work.language is not None:
            yield DetectedLanguage(work.language, 1.0)
        while work.position < work.sound.samples:
            block, last = work.block(work.position)
            answer = await self._recognise(work.request(last=last, least=SURE), block)
            if answer.unsure:
                found = await self._likeliest_language(work, answer)
                work.language, announced = found.language, True
                yield found
                continue
            if answer.language is not None and not announced:
                work.language, announced = answer.language, True
                yield DetectedLanguage(answer.language, answer.probability)
            for segment in work.take(answer):
                yield segment
            if work.position < work.sound.samples:
                yield SpeechProgress(min(end, work.sound.second(work.position)), end)
        yield SpeechProgress(end, end)

    async def _likeliest_language(
        self, work: _WorkingRecording, first: WindowAnswer
    ) -> DetectedLanguage:
        """Of the next windows; `first` is the answer of the first one."""
        best, position = first, work.position + consumed_of(first)
        for _ in range(LANGUAGE_WINDOWS - 1):
            if position >= work.sound.samples:
                break
            block, last = work.block(position)
            answer = await self._recognise(work.request(last=last, least=ONLY_LANGUAGE), block)
            position += consumed_of(answer)
            if answer.language is not None and answer.probability > best.probability:
                best = answer
        return DetectedLanguage(best.language or "en", best.probability)

    async def _recognise(self, request: dict[str, Any], samples: bytes) -> WindowAnswer:
        return await self._in_thread(self._recognise_blocking, request, samples)

    def _recognise_blocking(self, request: dict[str, Any], samples: bytes) -> WindowAnswer:
        return self._child.recognise(self._find_model(), request, samples)

    def _find_model(self) -> SpeechModel:
        """Found again for each child, which checks its file."""
        if self._model is None or self._child.pid is None:
            self._model = find_model(self._setting or OFF, self._cache)
        return self._model

    def _start_idle_checks(self) -> None:
        if not self._is_checking:
            self._is_checking = True
            self._idle_checks.start()

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


def consumed_of(answer: WindowAnswer) -> int:
    """At least a tenth of a second, so that every recording has an end."""
    return max(answer.consumed, RATE // 10)


def _check_language(options: SpeechOptions) -> None:
    if options.language is not None and options.language not in LANGUAGES:
        raise InvalidRequest(
            f"language: '{options.language[:20]}' is none of the recognised ones; give a code such "
            "as en or de, or none at all.",
            param="language",
        )


async def _decoded(
    source: Path, stream: int | None, start: Seconds, end: Seconds, folder: Path
) -> DecodedSound:
    """A caller that is cancelled does not wait for the child, which ends at once."""
    cancelled = threading.Event()
    try:
        return await asyncio.to_thread(
            decode_sound, source, stream, start, end, folder, cancelled.is_set
        )
    except asyncio.CancelledError:
        cancelled.set()
        raise
