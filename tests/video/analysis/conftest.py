"""Recordings of each kind, made and analysed once a session, in the sandbox as in the product."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from deployments.clipper.analysis import analyse_chunk, chunks, hear, merge, whole
from deployments.clipper.probe import probe
from deployments.contracts.media import Features, Source
from tests.media_fixtures.recordings import make

SourceOf = Callable[[str], Source]
Analysed = Callable[[str, int], Features]


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("analysis")


@pytest.fixture(scope="session")
def source_of(work: Path) -> SourceOf:
    @cache
    def source(kind: str) -> Source:
        path = make(kind, work)
        return Source(path, probe(path, work), "")

    return source


@pytest.fixture(scope="session")
def analysed(source_of: SourceOf, work: Path) -> Analysed:
    """Features of a kind of recording from at most so many chunks; 0: from keyframes only."""

    @cache
    def features(kind: str, wanted: int) -> Features:
        source = source_of(kind)
        parts = chunks(source, work, wanted) if wanted else (whole("fast"),)
        seen = [analyse_chunk(source, part, work) for part in parts]
        return merge(source.info, seen, hear(source, work))

    return features
