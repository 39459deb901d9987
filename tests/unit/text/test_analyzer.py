"""Operations over many texts: what is embedded, what is refused, what overload does."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import DeadlineExceeded, InvalidRequest, ModelFailed, Overloaded
from cluster.tenants.caller import Caller
from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import AnalyzeRequest, OperationResult
from deployments.text import analyzer as module
from deployments.text.analyzer import ThreadedAnalyzer
from deployments.text.operation import AnalyzedText, Options

CALLER = Caller("acme", "key", frozenset())
ENGLISH = "This is plainly an English sentence about coffee."
GERMAN = "Das ist ganz offensichtlich ein deutscher Satz über Kaffee."


class Lengths:
    """Says how long the strings are whose vectors it gets; takes English only."""

    name, by = "lengths", "lengths@1"
    languages = frozenset(("en",))
    needs_vectors = True

    def strings_to_embed(self, text: AnalyzedText, options: Options) -> Sequence[str]:
        return [text.text, "a constant"]

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        assert vectors is not None
        return OperationResult(self.by, [int(row[0]) for row in vectors])


class LengthEmbedder:
    """The first component of a vector is the string's length. `gate` holds calls back."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[list[str]] = []
        self.error = error
        self.gate = asyncio.Event()
        self.gate.set()

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(list(texts))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return np.array([[len(text), 0] for text in texts], dtype=np.float32)


def request(*texts: str, operations: tuple[str, ...] = ("lengths",), **more: Any) -> AnalyzeRequest:
    return AnalyzeRequest("id", CALLER, texts, operations, **more)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """`lengths` beside the real operations."""
    find = module.find_operations

    def find_more(names: Sequence[str]) -> list[Any]:
        return [
            each for name in names for each in ([Lengths()] if name == "lengths" else find([name]))
        ]

    monkeypatch.setattr(module, "find_operations", find_more)


async def test_equal_strings_are_embedded_once_and_by_length() -> None:
    embedder = LengthEmbedder()
    analyzer = ThreadedAnalyzer(SystemClock(), lambda _: embedder)
    analysis = await analyzer.analyze(request(ENGLISH, ENGLISH, language="en"))
    assert embedder.calls == [["a constant", ENGLISH]]
    assert [each.value for each in analysis.parts[0].results] == [[len(ENGLISH), 10]] * 2


async def test_a_language_that_an_operation_does_not_know_is_never_judged() -> None:
    embedder = LengthEmbedder()
    analyzer = ThreadedAnalyzer(SystemClock(), lambda _: embedder)
    analysis = await analyzer.analyze(request(GERMAN, ENGLISH, "", "xq"))
    german, english, empty, unclear = analysis.parts[0].results
    assert not german.supported
    assert "'de'" in german.reasons[0]
    assert english.value == [len(ENGLISH), 10]
    assert (empty.supported, empty.value) == (True, None)
    assert not unclear.supported
    assert embedder.calls == [["a constant", ENGLISH]]


async def test_without_an_embedder_it_says_what_to_configure() -> None:
    analysis = await ThreadedAnalyzer(SystemClock()).analyze(
        request(ENGLISH, operations=("lengths", "statistics"))
    )
    lengths, statistics = analysis.parts
    assert "embeddings" in lengths.results[0].install
    assert statistics.results[0].value["words"] == 8


async def test_long_texts_are_taken_in_slices() -> None:
    embedder = LengthEmbedder()
    analyzer = ThreadedAnalyzer(SystemClock(), lambda _: embedder)
    texts = [ENGLISH * 200 + str(number) for number in range(3)]
    analysis = await analyzer.analyze(request(*texts, language="en"))
    assert len(embedder.calls) == 2
    assert [each.value[0] for each in analysis.parts[0].results] == list(map(len, texts))


async def test_problems_of_the_embedder_are_the_calls() -> None:
    analyzer = ThreadedAnalyzer(SystemClock(), lambda _: LengthEmbedder(ModelFailed("minilm")))
    with pytest.raises(ModelFailed):
        await analyzer.analyze(request(ENGLISH, language="en"))
    assert analyzer.figures.open_calls == analyzer.figures.open_characters == 0


async def test_the_deadline_ends_a_call() -> None:
    embedder = LengthEmbedder()
    embedder.gate.clear()
    analyzer = ThreadedAnalyzer(SystemClock(), lambda _: embedder)
    with pytest.raises(DeadlineExceeded):
        await analyzer.analyze(request(ENGLISH, language="en", timeout_s=0.05))


async def test_a_full_analyzer_refuses_with_the_time_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    embedder = LengthEmbedder()
    embedder.gate.clear()
    analyzer = ThreadedAnalyzer(SystemClock(), lambda _: embedder)
    monkeypatch.setattr(module, "MAX_OPEN_CHARS", 1)
    first = asyncio.create_task(analyzer.analyze(request(ENGLISH, language="en")))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await analyzer.analyze(request(ENGLISH))
    assert refused.value.extensions["retry_after_s"] >= 1
    embedder.gate.set()
    assert (await first).parts


async def test_unknown_operations_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match="statistics"):
        await ThreadedAnalyzer(SystemClock()).analyze(request("a", operations=("mood",)))


async def test_figures_count_calls_by_how_they_ended() -> None:
    analyzer = ThreadedAnalyzer(SystemClock())
    await analyzer.analyze(request("Hello there", operations=("hashtags",)))
    readings = {metric.name: dict(samples) for metric, samples in analyzer.figures.read()}
    assert readings["mobula_text_calls_total"][("finished",)] == 1
    assert readings["mobula_text_characters_total"] == {(): 11}
    assert replace(request("a"), language="de").characters == 1
