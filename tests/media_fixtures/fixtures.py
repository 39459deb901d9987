"""Fixtures over the recordings, to be imported by the conftest of a folder that needs them."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from deployments.contracts.media import MediaSource
from tests.media_fixtures.in_process import probe_in_process
from tests.media_fixtures.recordings import make


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], MediaSource]:
    """The recording of a kind (see recordings.KINDS), made and probed on first use."""
    folder: Path = tmp_path_factory.mktemp("recordings")

    @cache
    def made(kind: str) -> MediaSource:
        path = make(kind, folder)
        return MediaSource(path, probe_in_process(path), sha256=kind)

    return made
