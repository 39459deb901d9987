"""When the first clip is chosen from what was heard first, and when from the whole."""

import asyncio
from typing import Any, cast

import pytest

from deployments.contracts.clips import ClipOptions, Highlight
from deployments.contracts.media import MediaFeatures
from deployments.video.analysis_cache import VideoAnalyzer
from deployments.video.first_clip import best_before, choose_early, early_point
from deployments.video.ranking import RankedHighlights, with_pinned
from deployments.video.speech_listener import listening
from tests.unit.video.ranking.planted_features import audio_features, features
from tests.unit.video.scripted_speech import (
    ScriptedRecognizer,
    context_of,
    listener_of,
    segment,
)

TALK = [
    segment(5.0 * n, f"This is sentence number {n} of a long talk about very little indeed.", 0.35)
    for n in range(120)
]
EXCITING = segment(60.0, "Why does it work? This is the biggest mistake that you ever make!", 0.3)
HEARD = [*TALK[:12], EXCITING, *TALK[14:]]


class OneAnalysis:
    """Features of a talk; counts how often they were wanted."""

    def __init__(self, seconds: float) -> None:
        loud = audio_features(seconds, loud=[(58.0, 72.0), (400.0, 420.0)])
        self._features = features(seconds, heard=loud)
        self.modes: list[str] = []

    async def features(self, context: Any, mode: str, on_progress: Any) -> MediaFeatures:
        self.modes.append(mode)
        await on_progress(1.0)
        return self._features


async def quiet(share: float) -> None:
    """Progress that nobody looks at."""


@pytest.mark.parametrize(
    ("options", "length", "point"),
    [
        pytest.param({"max_s": 30.0}, 600.0, 150.0, id="a quarter of the talk"),
        pytest.param({"max_s": 60.0}, 400.0, 120.0, id="twice the longest clip"),
        pytest.param({"max_s": 60.0}, 180.0, None, id="that is most of it"),
        pytest.param({"max_s": 30.0}, 100.0, None, id="a short recording"),
        pytest.param({"count": 1, "max_s": 30.0}, 600.0, None, id="the only clip"),
        pytest.param({"rerank": True, "max_s": 30.0}, 600.0, None, id="a model orders them"),
    ],
)
def test_how_much_is_heard_before_the_first_clip_is_chosen(
    options: dict[str, Any], length: float, point: float | None
) -> None:
    found = early_point(ClipOptions(**options), 10.0, 10.0 + length)
    assert found == (None if point is None else 10.0 + point)


async def test_the_first_clip_is_the_best_of_what_was_heard_first() -> None:
    recognizer, analysis = ScriptedRecognizer(HEARD, paced=True), OneAnalysis(600.0)
    assert recognizer.paced is not None
    for _ in range(5):
        recognizer.paced.release()
    context = context_of(count=3, min_s=10.0, max_s=30.0)
    async with listening(listener_of(recognizer, context)) as listener, asyncio.timeout(30):
        choice = await choose_early(context, listener, cast(VideoAnalyzer, analysis), quiet)
        assert listener.until == 150.0

    assert choice is not None
    assert choice.highlight is not None
    assert choice.highlight.start < 66 < choice.highlight.end <= 150
    assert (choice.mode, analysis.modes) == ("fast", ["fast"])


async def test_where_little_is_said_it_is_chosen_from_the_whole() -> None:
    analysis = OneAnalysis(600.0)
    context = context_of(count=3, min_s=10.0, max_s=30.0)
    async with listening(listener_of(ScriptedRecognizer([]), context)) as listener:
        choice = await choose_early(context, listener, cast(VideoAnalyzer, analysis), quiet)

    assert (choice, analysis.modes) == (None, [])


def test_nothing_is_chosen_of_which_nothing_stands_out() -> None:
    flat = features(600.0)
    nothing = context_of().transcript
    assert best_before(flat, nothing, ClipOptions(min_s=10.0, max_s=30.0), 150.0) is None


def highlight(start: float, score: float = 0.5) -> Highlight:
    return Highlight(start, start + 20.0, score, {}, ())


def test_the_other_clips_leave_out_what_is_a_clip_already() -> None:
    ranked = RankedHighlights(
        (highlight(300.0, 0.9), highlight(55.0, 0.8), highlight(100.0, 0.7)),
        (highlight(200.0, 0.6), highlight(70.0, 0.5)),
    )

    pinned = with_pinned(ranked, highlight(60.0), 3)

    assert [each.start for each in pinned.best] == [60.0, 300.0, 100.0]
    assert [each.start for each in pinned.others] == [200.0]
