"""Which tests of this tier one worker runs: each of them, or whole files."""

import pytest

# Their tests share a recording, an analysis or a finished job that takes seconds to make.
WHOLE_FILES = {"test_clipping", "test_planted_highlights", "test_sandboxed_analysis"}


@pytest.hookimpl(optionalhook=True)
def pytest_fork_group(item: pytest.Item) -> str:
    """Other tests go to the worker that is idle."""
    return item.path.stem if item.path.stem in WHOLE_FILES else item.nodeid
