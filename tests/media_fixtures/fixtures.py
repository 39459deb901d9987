"""Fixtures over the recordings, to be imported by the conftest of a folder that needs them."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from deployments.clipper.probe import probe
from deployments.contracts.media import Source
from tests.media_fixtures.recordings import make


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Source]:
    """The recording of a kind (see recordings.KINDS), made and probed when first asked for."""
    folder: Path = tmp_path_factory.mktemp("recordings")

    @cache
    def made(kind: str) -> Source:
        path = make(kind, folder)
        return Source(path, probe(path, folder), sha256=kind)

    return made
