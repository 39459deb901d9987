"""No log of this process: what other tests have configured stands aside while one of these runs.

A conftest or a file of tests imports the fixture.
"""

import logging
from collections.abc import Iterator

import pytest

from cluster.logs.process_log import ProcessLog


@pytest.fixture(autouse=True)
def no_log_of_the_process() -> Iterator[None]:
    logger = logging.getLogger("mobula")
    configured = [each for each in logger.handlers if isinstance(each, ProcessLog)]
    for handler in configured:
        logger.removeHandler(handler)
    yield
    for handler in configured:
        logger.addHandler(handler)
