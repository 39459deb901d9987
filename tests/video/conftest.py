"""Which tests of this tier one pytest-xdist worker runs: each of them, or whole files."""

import pytest

# Their tests share a recording, an analysis or a finished job that takes seconds to make.
WHOLE_FILES = {"test_clipping", "test_planted_highlights", "test_sandboxed_analysis"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a group, xdist gives each test to the worker that is idle."""
    for item in items:
        if item.path.stem in WHOLE_FILES:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
