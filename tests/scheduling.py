"""How pytest-xdist deals out the tests of a tier: one by one, but for groups that share what is
expensive to make. For `pytest_xdist_make_scheduler` of a conftest.

xdist's own groups (`xdist_group`) have no effect with pytest 9.2, whose node ids cannot be changed.
"""

from collections.abc import Callable

import pytest
from xdist.scheduler import LoadScopeScheduling


class GroupScheduling(LoadScopeScheduling):
    """Each group runs on one worker, the largest first. `group_of` gets a test's file, relative to
    the root, and returns the group; None: a test of this file runs on whichever worker is idle."""

    def __init__(
        self, config: pytest.Config, log: object, group_of: Callable[[str], str | None]
    ) -> None:
        super().__init__(config, log)
        self._group_of = group_of

    def _split_scope(self, nodeid: str) -> str:
        return self._group_of(nodeid.split("::", 1)[0]) or nodeid
