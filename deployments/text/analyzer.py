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
from deployments.text.operation import AnalyzedText, Options, TextOperation, Vectors

T = TypeVar("T")
SLICE_CHARS = 20_000  # of texts that one turn of the thread takes, at least one text
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
        texts = [AnalyzedText(text, request.language) for text in request.texts]
        call, since = _Call(self, request, texts), self._now()
        tasks = [
            asyncio.create_task(self._measured(call, operation, since)) for operation in operations
        ]
        try:
            return TextAnalysis(tuple(await asyncio.gather(*tasks)))
        finally:
            for task in tasks:
                task.cancel()

    async def _measured(
        self, call: "_Call", operation: TextOperation, since: float
    ) -> OperationResults:
        found = await call.run(operation)
        refused = sum(not result.supported for result in found.results)
        self.figures.record(operation.name, self._now() - since, refused)
        return found


class _Call:
    """One request; its operations share what they embed."""

    def __init__(
        self, analyzer: ThreadedAnalyzer, request: AnalyzeRequest, texts: Sequence[AnalyzedText]
    ) -> None:
        self._analyzer = analyzer
        self._request = request
        self._texts = texts
        self._embedder = analyzer.embedder(request)

    async def run(self, operation: TextOperation) -> OperationResults:
        given = self._request.options.get(operation.name)
        options: Options = given if isinstance(given, dict) else {}
        if operation.needs_vectors and self._embedder is None:
            refused = unsupported(operation.by, NO_EMBEDDER, INSTALL_EMBEDDER)
            return OperationResults(operation.name, (refused,) * len(self._texts))
        results: list[OperationResult] = []
        for part in _slices(self._texts):
            results += await self._analyze(operation, part, options)
        return OperationResults(operation.name, tuple(results))

    async def _analyze(
        self, operation: TextOperation, texts: Sequence[AnalyzedText], options: Options
    ) -> list[OperationResult]:
        in_thread, can_embed = self._analyzer.in_thread, self._embedder is not None
        steps = await in_thread(partial(_begin, operation, texts, options, can_embed=can_embed))
        open_steps = [step for step in steps if step.result is None]
        if open_steps:
            vectors = await self._embed([step.strings for step in open_steps])
            await in_thread(partial(_finish, operation, open_steps, options, vectors))
        return [step.result for step in steps if step.result is not None]

    async def _embed(self, wanted: Sequence[Sequence[str]]) -> list[Vectors]:
        """The vectors for the strings of each text; equal strings are embedded once."""
        assert self._embedder is not None, "nothing is wanted where there is no embedder"
        unique = sorted({string for strings in wanted for string in strings}, key=len)
        rows = {string: row for row, string in enumerate(unique)}
        found = await self._embedder.embed(unique)
        return [found[[rows[string] for string in strings]] for strings in wanted]


@dataclass(slots=True)
class _OperationStep:
    """One operation over one text: a result, or the strings to embed for one."""

    text: AnalyzedText
    strings: Sequence[str] = ()
    result: OperationResult | None = None


def _begin(
    operation: TextOperation, texts: Sequence[AnalyzedText], options: Options, *, can_embed: bool
) -> list[_OperationStep]:
    steps = []
    for text in texts:
        step = _OperationStep(text, result=_refuse(operation, text))
        if step.result is None and can_embed:
            step.strings = operation.strings_to_embed(text, options)
        if step.result is None and not step.strings:
            step.result = operation.analyze(text, options, None)
        steps.append(step)
    return steps


def _finish(
    operation: TextOperation,
    steps: Sequence[_OperationStep],
    options: Options,
    vectors: Sequence[Vectors],
) -> None:
    for step, rows in zip(steps, vectors, strict=True):
        step.result = operation.analyze(step.text, options, rows)


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


def _slices(texts: Sequence[AnalyzedText]) -> Iterator[Sequence[AnalyzedText]]:
    """Neighbours of SLICE_CHARS together, or one that is longer."""
    taken: list[AnalyzedText] = []
    size = 0
    for text in texts:
        if taken and size + len(text.text) > SLICE_CHARS:
            yield taken
            taken, size = [], 0
        taken.append(text)
        size += len(text.text)
    yield taken
