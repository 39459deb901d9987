"""Processes killed in the middle of writing leave a trail that verifies."""

import subprocess
import sys
from pathlib import Path

from cluster.runtime.settings import ROOT, process_environment
from tests.contract.records.records import Audit

FLUSHES = (2, 7)  # before the kill; a checkpoint comes with every third


async def test_killed_writers_leave_notes_and_no_alarm(audit: Audit, url: str) -> None:
    environment = process_environment({"PYTHONPATH": str(ROOT)})
    script = str(Path(__file__).with_name("writing.py"))
    for flushes in FLUSHES:
        command = [sys.executable, script, url, str(audit.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:  # noqa: ASYNC220
            assert process.stdout is not None
            for _ in range(flushes):
                assert process.stdout.readline() == b"flushed\n"
            process.kill()

    report = await audit.verify()
    assert report.findings == []
    assert len(report.notes) == len(FLUSHES)
    assert report.records >= 50 * sum(FLUSHES)
