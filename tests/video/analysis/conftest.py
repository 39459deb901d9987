"""Recordings of each kind, made and analysed once a session, in the sandbox as in the product."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from deployments.contracts.media import MediaFeatures, MediaSource
from deployments.video.analysis import (
    analyse_chunk,
    analyze_audio_task,
    chunks,
    merge,
    single_chunk,
)
from deployments.video.probe.probe import probe
from tests.media_fixtures.recordings import make

SourceOf = Callable[[str], MediaSource]
Analysed = Callable[[str, int], MediaFeatures]


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("analysis")


@pytest.fixture(scope="session")
def source_of(work: Path) -> SourceOf:
    @cache
    def source(kind: str) -> MediaSource:
        path = make(kind, work)
        return MediaSource(path, probe(path, work), "")

    return source


@pytest.fixture(scope="session")
def analysed(source_of: SourceOf, work: Path) -> Analysed:
    """Features of a kind of recording from at most so many chunks; 0: from keyframes only."""

    @cache
    def features(kind: str, wanted: int) -> MediaFeatures:
        source = source_of(kind)
        parts = chunks(source, work, wanted) if wanted else (single_chunk("fast"),)
        seen = [analyse_chunk(source, part, work) for part in parts]
        return merge(source.info, seen, analyze_audio_task(source, work))

    return features
