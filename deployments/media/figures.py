"""What a Media replica counts: files it examined, transcriptions, seconds of speech.

Flows in: the events of calls and jobs, on one event loop. Flows out: readings for /metrics.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from cluster.metrics.catalogue import media as media_metrics
from cluster.metrics.series import Counter, Histogram, Reading
from cluster.runtime.problems import Problem
from deployments.contracts.speech import DetectedLanguage, SpeechProgress, SpeechSegment

_OUTCOMES = ("finished", "cancelled", "refused", "failed")


class RunningTranscription:
    """One of those that are open."""

    def __init__(self, figures: "MediaFigures", done_s: float) -> None:
        self._figures = figures
        self._done_s = done_s

    def note(self, heard: DetectedLanguage | SpeechSegment | SpeechProgress) -> None:
        """A part of it has come."""
        if isinstance(heard, SpeechProgress):
            self._figures.add_transcribed(max(0.0, heard.done_s - self._done_s))
            self._done_s = max(self._done_s, heard.done_s)


class MediaFigures:
    def __init__(self) -> None:
        self.open_transcriptions = 0
        self._transcribed_s = 0.0
        self._examined = Counter(media_metrics.EXAMINED)
        self._transcriptions = Counter(media_metrics.TRANSCRIPTIONS)
        self._durations = Histogram(media_metrics.TRANSCRIPTION_DURATION)
        for outcome in ("accepted", "refused", "failed"):
            self._examined.add((outcome,), 0)
        for outcome in _OUTCOMES:
            self._transcriptions.add((outcome,), 0)

    @contextmanager
    def examination(self) -> Iterator[None]:
        """Around each file that is examined."""
        outcome = "accepted"
        try:
            yield
        except BaseException as error:
            outcome = "refused" if _is_refusal(error) else "failed"
            raise
        finally:
            self._examined.add((outcome,))

    @contextmanager
    def transcription(self, start_s: float = 0.0) -> Iterator[RunningTranscription]:
        """Around each transcription, which begins at `start_s` of its recording."""
        since = time.monotonic()
        self.open_transcriptions += 1
        outcome = "finished"
        try:
            yield RunningTranscription(self, start_s)
        except (asyncio.CancelledError, GeneratorExit):
            outcome = "cancelled"
            raise
        except BaseException as error:
            outcome = "refused" if _is_refusal(error) else "failed"
            raise
        finally:
            self.open_transcriptions -= 1
            self._transcriptions.add((outcome,))
            self._durations.observe((), time.monotonic() - since)

    def add_transcribed(self, seconds: float) -> None:
        self._transcribed_s += seconds

    def read(self) -> Iterable[Reading]:
        for counts in (self._examined, self._transcriptions, self._durations):
            yield from counts.read()
        yield media_metrics.TRANSCRIBED, [((), round(self._transcribed_s, 3))]
        yield media_metrics.OPEN_TRANSCRIPTIONS, [((), self.open_transcriptions)]


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, Problem) and error.status < 500
