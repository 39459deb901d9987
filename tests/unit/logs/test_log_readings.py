"""What a process has logged, as numbers."""

import logging
from pathlib import Path

from cluster.logs.process_log import logged_process
from cluster.logs.readings import log_readings
from cluster.metrics.catalogue import logs
from cluster.metrics.metric import Metric
from cluster.metrics.series import LabelValues
from cluster.runtime.line_log import BufferedLineWriter
from cluster.runtime.settings import Settings


def figures() -> dict[Metric, dict[LabelValues, object]]:
    return {metric: dict(samples) for metric, samples in log_readings()}


def test_errors_are_counted_and_so_are_their_groups(tmp_path: Path) -> None:
    logger = logging.getLogger("mobula.metrics.example")
    with logged_process(Settings(home=tmp_path, log_level="INFO"), "test"):
        for number in range(50):
            logger.error("number %d went wrong", number)
        logger.error("another one")
        found = figures()

    assert found[logs.ERRORS] == {(): 51}
    assert found[logs.ERROR_GROUPS] == {(): 2}
    assert found[logs.LINES_SUPPRESSED] == {(): 30}


def test_lines_that_cannot_be_written_are_counted_by_log(tmp_path: Path) -> None:
    before = figures()[logs.LINES_LOST]
    for name, lines in (("access-1", 3), ("ingress-1", 2)):
        writer = BufferedLineWriter(tmp_path, name)
        writer.path.mkdir()
        for _ in range(lines):
            writer.write(b"{}")
        writer.close()

    after = figures()[logs.LINES_LOST]

    assert {labels: after[labels] - before[labels] for labels in after} == {  # type: ignore[operator]
        ("access",): 3,
        ("application",): 2,
    }
