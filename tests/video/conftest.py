"""Which tests of this tier one pytest-xdist worker runs: each of them, or whole files."""

from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer

from tests.scheduling import GroupScheduling

# Their tests share a recording, an analysis or a finished job that takes seconds to make.
WHOLE_FILES = {"test_clipping", "test_planted_highlights", "test_sandboxed_analysis"}


def group_of(path: PurePosixPath) -> str | None:
    """Other tests go to the worker that is idle."""
    return path.stem if path.stem in WHOLE_FILES else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling:
    return GroupScheduling(config, log, group_of)
