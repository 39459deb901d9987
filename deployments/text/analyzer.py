"""Runs operations over texts: languages first, then what each operation wants, all at once.

Flows in: an AnalyzeRequest, and an embedder where there is one. Flows out: the results of each
operation. Operations run in a thread, in slices, so that a long text of one call does not hold up
the others. Knows no Serve.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from cluster.runtime.clock import Clock
from cluster.runtime.problems import DeadlineExceeded, Overloaded
from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import (
    NO_WORDS,
    TEXT,
    AnalyzeRequest,
    OperationResult,
    OperationResults,
    TextAnalysis,
    TextEmbedder,
    unsupported,
)
from deployments.text.analysis import find_operations
from deployments.text.figures import AnalysisFigures
from deployments.text.operation import AnalyzedText, Options, TextOperation

T = TypeVar("T")
# Characters of texts, times operations, that one turn of the thread takes; at least one text of one
# operation.
SLICE_CHARS = 20_000
MAX_OPEN_CHARS = 20_000_000  # of all open calls; three of the largest
_CHARS_A_SECOND = 100_000  # a guess, for Retry-After
NO_EMBEDDER = "There is no embedding model."
INSTALL_EMBEDDER = "Configure one in `embeddings` of serve_config.yaml, as `minilm` is."


class ThreadedAnalyzer:
    """Implements TextAnalyzer, on one event loop. `embedder_of` gives the embedder of one call;
    None: there is none."""

    def __init__(
        self, clock: Clock, embedder_of: Callable[[AnalyzeRequest], TextEmbedder] | None = None
    ) -> None:
        self.figures = AnalysisFigures()
        self._now = clock.monotonic
        self._embedder_of = embedder_of
        self._thread = ThreadPoolExecutor(1, "analyze")

    async def analyze(self, request: AnalyzeRequest) -> TextAnalysis:
        operations = find_operations(request.operations)
        figures = self.figures
        self._check_load(request.characters)
        with figures.call(request.characters):
            try:
                async with asyncio.timeout(request.timeout_s):
                    return await self._run(request, operations)
            except TimeoutError as error:
                raise DeadlineExceeded(TEXT, round(request.timeout_s, 3)) from error

    def embedder(self, request: AnalyzeRequest) -> TextEmbedder | None:
        return None if self._embedder_of is None else self._embedder_of(request)

    async def in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    async def close(self) -> None:
        self._thread.shutdown(wait=False)

    def _check_load(self, characters: int) -> None:
        """Raises Overloaded. A call that is alone is always taken."""
        waiting = self.figures.open_characters
        if waiting and waiting + characters > MAX_OPEN_CHARS:
            retry_after_s = max(1.0, waiting / _CHARS_A_SECOND)
            raise Overloaded(
                f"Text analysis is busy: {waiting} characters wait.", retry_after_s=retry_after_s
            )

    async def _run(
        self, request: AnalyzeRequest, operations: Sequence[TextOperation]
    ) -> TextAnalysis:
        """What needs vectors begins first: the thread runs the others while they are computed."""
        call = _Call(self, request, self._now())
        embedded = [operation for operation in operations if operation.needs_vectors]
        plain = [operation for operation in operations if not operation.needs_vectors]
        tasks = [asyncio.create_task(call.run(group)) for group in (embedded, plain) if group]
        try:
            parts = [part for group in await asyncio.gather(*tasks) for part in group]
        finally:
            for task in tasks:
                task.cancel()
        found = {part.operation: part for part in parts}
        return TextAnalysis(tuple(found[operation.name] for operation in operations))

    def record(self, found: OperationResults, since: float) -> None:
        refused = sum(not result.supported for result in found.results)
        self.figures.record(found.operation, self._now() - since, refused)


class _Call:
    """One request; its operations share what they know of a text, and what they embed."""

    def __init__(self, analyzer: ThreadedAnalyzer, request: AnalyzeRequest, since: float) -> None:
        self._analyzer = analyzer
        self._request = request
        self._since = since
        self._texts = [AnalyzedText(text, request.language) for text in request.texts]
        self._embedder = analyzer.embedder(request)

    async def run(self, operations: Sequence[TextOperation]) -> list[OperationResults]:
        """The results of each operation for all texts."""
        results: dict[str, list[OperationResult]] = {each.name: [] for each in operations}
        for texts in _slices(self._texts, _characters):
            for operation, found in await self._analyze(operations, texts):
                results[operation.name] += found
        parts = [OperationResults(name, tuple(found)) for name, found in results.items()]
        for part in parts:
            self._analyzer.record(part, self._since)
        return parts

    async def _analyze(
        self, operations: Sequence[TextOperation], texts: Sequence[AnalyzedText]
    ) -> list[tuple[TextOperation, list[OperationResult]]]:
        steps = [self._step(operation, text) for operation in operations for text in texts]
        await self._take_turns(partial(_begin, can_embed=self._embedder is not None), steps)
        open_steps = [step for step in steps if step.result is None]
        if open_steps:
            await self._embed(open_steps)
            await self._take_turns(_finish, open_steps)
        found = [step.result for step in steps if step.result is not None]
        size = len(texts)
        return [
            (operation, found[at * size : (at + 1) * size])
            for at, operation in enumerate(operations)
        ]

    def _step(self, operation: TextOperation, text: AnalyzedText) -> "_OperationStep":
        given = self._request.options.get(operation.name)
        step = _OperationStep(operation, text, given if isinstance(given, dict) else {})
        if operation.needs_vectors and self._embedder is None:
            step.result = unsupported(operation.by, NO_EMBEDDER, INSTALL_EMBEDDER)
        return step

    async def _take_turns(
        self,
        function: Callable[[Sequence["_OperationStep"]], None],
        steps: Sequence["_OperationStep"],
    ) -> None:
        for turn in _slices(steps, lambda step: _characters(step.text)):
            await self._analyzer.in_thread(partial(function, turn))

    async def _embed(self, steps: Sequence["_OperationStep"]) -> None:
        """The vectors for the strings of each step; equal strings are embedded once."""
        assert self._embedder is not None, "nothing is wanted where there is no embedder"
        unique = sorted({string for step in steps for string in step.strings}, key=len)
        rows = {string: row for row, string in enumerate(unique)}
        found = await self._embedder.embed(unique)
        for step in steps:
            step.vectors = found[[rows[string] for string in step.strings]]


@dataclass(slots=True)
class _OperationStep:
    """One operation over one text: a result, or the strings to embed for one, then their
    vectors."""

    operation: TextOperation
    text: AnalyzedText
    options: Options
    strings: Sequence[str] = ()
    vectors: Vectors | None = None
    result: OperationResult | None = None


def _begin(steps: Sequence[_OperationStep], *, can_embed: bool) -> None:
    for step in steps:
        operation = step.operation
        step.result = step.result or _refuse(operation, step.text)
        if step.result is None and can_embed:
            step.strings = operation.strings_to_embed(step.text, step.options)
        if step.result is None and not step.strings:
            step.result = operation.analyze(step.text, step.options, None)


def _finish(steps: Sequence[_OperationStep]) -> None:
    for step in steps:
        step.result = step.operation.analyze(step.text, step.options, step.vectors)


def _refuse(operation: TextOperation, text: AnalyzedText) -> OperationResult | None:
    """Why an operation does not take a text; None if it does. A text in a language that it does
    not know is never judged."""
    if not operation.languages or text.language in operation.languages:
        return None
    known = ", ".join(sorted(operation.languages))
    if text.named:
        return unsupported(operation.by, f"'{text.named}' is none of its languages: {known}.")
    found = text.detected
    if found is None:
        return OperationResult(operation.by, reasons=(NO_WORDS,))
    if text.language:
        return unsupported(
            operation.by, f"The text's language is '{found.code}'; it takes {known}."
        )
    return unsupported(
        operation.by,
        f"The text's language is not certain ('{found.code}': {found.score:.2f}): name it in "
        f"`language`. It takes {known}.",
    )


def _slices(whole: Sequence[T], size_of: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """Neighbours of SLICE_CHARS together, or one that is longer."""
    taken: list[T] = []
    size = 0
    for each in whole:
        if taken and size + size_of(each) > SLICE_CHARS:
            yield taken
            taken, size = [], 0
        taken.append(each)
        size += size_of(each)
    yield taken


def _characters(text: AnalyzedText) -> int:
    return len(text.text)
