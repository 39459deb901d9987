"""Counting what pytest did, and choosing tiers."""

from pathlib import Path

import pytest

from cluster.cli import tiers
from cluster.cli.tiers import Outcome, available, counts

REPORT = """<testsuites><testsuite>
<testcase name="a"/>
<testcase name="b"><failure/></testcase>
<testcase name="c"><error/></testcase>
<testcase name="d"><skipped/></testcase>
</testsuite></testsuites>"""


def test_a_report_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_text(REPORT)

    assert counts(path) == (1, 2, 1)
    assert counts(tmp_path / "none.xml") == (0, 0, 0)


def test_quick_tiers_come_first() -> None:
    order = available()

    assert order[:2] == ["lint", "unit"]


def test_an_unknown_tier_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert tiers.run(["nonsense"], None, stop=False) == 1
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("outcome", "code", "line"),
    [
        pytest.param(Outcome("unit", 3, 0, 0, 1.0), 0, "3 passed, 0 failed", id="good"),
        pytest.param(Outcome("unit", 3, 1, 2, 1.0), 1, "3 passed, 1 failed, 2 skipped", id="bad"),
        pytest.param(Outcome("unit", 0, 0, 0, 1.0), 1, "0 passed, 0 failed", id="nothing ran"),
    ],
)
def test_the_last_line_sums_up(
    outcome: Outcome, code: int, line: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(tiers, "_pytest", lambda *_: outcome)

    assert tiers.run(["unit"], None, stop=False) == code
    assert capsys.readouterr().out.splitlines()[-1] == line
