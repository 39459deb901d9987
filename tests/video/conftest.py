"""Which tests of this tier run on one worker of pytest-xdist."""

from pathlib import Path

import pytest

from tests.scheduling import GroupScheduling

# Their tests share a recording, an analysis or a finished job that takes seconds to make.
WHOLE_FILES = {"test_clipping", "test_planted_highlights", "test_sandboxed_analysis"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> GroupScheduling:
    return GroupScheduling(
        config, log, lambda file: file if Path(file).stem in WHOLE_FILES else None
    )
