"""What an ingress replica counts of documents: readings, indexings, answers and their marks.

Flows in: the events of requests and jobs, on one event loop. Flows out: readings for /metrics.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

from cluster.metrics.catalogue import documents as document_metrics
from cluster.metrics.series import Counter, Histogram, Reading
from cluster.runtime.problems import Problem

AnswerKind = Literal["extractive", "model", "fallback", "not_found"]
_OUTCOMES = ("finished", "cancelled", "refused", "failed")


class DocumentFigures:
    def __init__(self) -> None:
        self._pages = self._chunks = 0
        self._steps = Counter(document_metrics.STEPS)
        self._durations = Histogram(document_metrics.STEP_DURATION)
        self._answers = Counter(document_metrics.ANSWERS)
        self._marks = Counter(document_metrics.MARKS)
        for step in ("read", "index"):
            for outcome in _OUTCOMES:
                self._steps.add((step, outcome), 0)
        for answer in ("extractive", "model", "fallback", "not_found"):
            self._answers.add((answer,), 0)
        for outcome in ("cited", "removed"):
            self._marks.add((outcome,), 0)

    def reading(self) -> AbstractContextManager[None]:
        """Around the reading of a document."""
        return self._step("read")

    def indexing(self) -> AbstractContextManager[None]:
        """Around its indexing in one collection."""
        return self._step("index")

    def add_pages(self, pages: int) -> None:
        self._pages += pages

    def add_chunks(self, chunks: int) -> None:
        self._chunks += chunks

    def add_answer(self, answer: AnswerKind, cited: int = 0, removed: int = 0) -> None:
        """`cited` and `removed` are numbers of marks in what a model wrote."""
        self._answers.add((answer,))
        self._marks.add(("cited",), cited)
        self._marks.add(("removed",), removed)

    def read(self) -> Iterable[Reading]:
        for counts in (self._steps, self._durations, self._answers, self._marks):
            yield from counts.read()
        yield document_metrics.PAGES, [((), self._pages)]
        yield document_metrics.CHUNKS, [((), self._chunks)]

    @contextmanager
    def _step(self, step: str) -> Iterator[None]:
        since, outcome = time.monotonic(), "finished"
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            outcome = "cancelled"
            raise
        except BaseException as error:
            is_refusal = isinstance(error, Problem) and error.status < 500
            outcome = "refused" if is_refusal else "failed"
            raise
        finally:
            self._steps.add((step, outcome))
            self._durations.observe((step,), time.monotonic() - since)
