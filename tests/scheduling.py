"""Which tests one pytest-xdist worker runs together, by their node ids.

pytest-xdist 3.8 appends its marks `xdist_group` to an attribute from which pytest 9.2 no longer
makes node ids: with `--dist loadgroup` every test is a group of its own.
"""

from collections.abc import Callable
from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

GroupOf = Callable[[PurePosixPath], str | None]


class GroupScheduling(LoadScopeScheduling):
    """Tests of one group go to one worker in their order; others to whichever is idle."""

    def __init__(self, config: pytest.Config, log: Producer | None, group_of: GroupOf) -> None:
        """`group_of` a test's file; None: each of its tests by itself."""
        super().__init__(config, log)
        self._group_of = group_of

    def _split_scope(self, nodeid: str) -> str:
        return self._group_of(PurePosixPath(nodeid.partition("::")[0])) or nodeid
