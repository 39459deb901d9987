"""The pure parts of `./mobula bench video`: comparisons and verdicts, options, what is told."""

import argparse
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from load_tests.benchmarks.common.reference_tools import read_first_frames
from load_tests.benchmarks.video.bench_video import PARTS, build_report, parse_goals
from load_tests.benchmarks.video.cost import Cost, measure_cost, measure_in_turn, select_least
from load_tests.benchmarks.video.goals import (
    GOALS,
    ContenderPair,
    GoalRow,
    build_table,
    list_missed,
    select_contenders,
    summarize,
)
from load_tests.benchmarks.video.job import JobTimeline, build_spoken_rows
from load_tests.benchmarks.video.job import build_rows as job_rows

PAIR = ContenderPair("S1", "analysis", "ours", "theirs", "ffmpeg", "cpu", 1.15, 1.05)


def test_a_row_is_met_at_its_bound_and_missed_beyond() -> None:
    assert GoalRow("S1", "a", "b", 1.15, 1.0, at_most=1.15).verdict == "met"
    assert GoalRow("S1", "a", "b", 1.16, 1.0, at_most=1.15).verdict == "MISSED"
    assert GoalRow("S2", "F1", "b", 0.9, 0.8, at_least=1.0).verdict == "met"
    assert GoalRow("S2", "told only", "b", 9.0, 1.0).verdict == ""


def test_what_is_not_a_number_meets_nothing() -> None:
    assert not GoalRow("S1", "a", "b", 1.0, 0.0, at_most=2).met
    assert not GoalRow("S1", "a", "b", math.nan, at_most=2).met


def test_what_is_not_built_is_neither_met_nor_missed() -> None:
    row = GoalRow("S10", "smart cut", "encode", math.nan, at_most=0.15, why="not built")

    assert row.verdict == "not built"
    assert list_missed([row]) == []
    assert summarize([row]) == "0 of 0 targets met; S10 not built"


def test_a_pair_compares_both_measures_and_judges_those_with_a_bound() -> None:
    costs = {"ours": Cost(1.2, 1.0), "theirs": Cost(1.0, 1.0)}

    cpu, wall = PAIR.rows(costs)

    assert (cpu.what, cpu.verdict) == ("analysis, CPU", "MISSED")
    assert (wall.what, wall.verdict) == ("analysis, wall", "met")
    assert select_contenders([PAIR]) == {"ours", "theirs"}


def test_contenders_take_turns_and_the_least_of_each_counts() -> None:
    order: list[str] = []
    works = {name: lambda name=name: order.append(name) for name in ("a", "b")}

    costs = measure_in_turn(works, 2, lambda _: None)

    assert order == ["a", "b", "b", "a"]
    assert select_least({"a": [Cost(2, 1), Cost(1, 3)]}) == {"a": Cost(1, 1)}
    assert {name: len(each) for name, each in costs.items()} == {"a": 2, "b": 2}


def test_work_done_elsewhere_counts_too() -> None:
    clock = iter([10.0, 13.5])

    cost = measure_cost(lambda: None, lambda: next(clock))

    assert cost.cpu_s == pytest.approx(3.5, abs=0.1)


def test_a_job_is_judged_by_its_length_its_first_clip_and_its_clips() -> None:
    clips = [{"duration": 30.0, "problems": []}] * 4 + [{"duration": 30.0, "problems": ["short"]}]
    rows = job_rows(JobTimeline(took_s=192, first_s=80, cpu_s=300, clips=clips), 480)
    verdicts = {row.what: row.verdict for row in rows}

    assert verdicts["job, wall"] == "met"
    assert verdicts["first clip"] == "MISSED"
    assert verdicts["clips made"] == "met"
    assert verdicts["clips that break a promise"] == "MISSED"


def test_a_job_that_recognises_speech_is_judged_by_its_captions_too() -> None:
    clips = [{"duration": 30.0, "captioned": True}, {"duration": 30.0, "captioned": False}]
    timeline = JobTimeline(took_s=140, first_s=50, cpu_s=250, clips=clips)
    verdicts = {row.what: row.verdict for row in build_spoken_rows(timeline, 600)}
    late = {row.what: row.verdict for row in build_spoken_rows(replace(timeline, clips=[]), 500)}

    assert (verdicts["job, wall"], verdicts["first clip"]) == ("met", "met")
    assert verdicts["captioned clips"] == "MISSED"
    assert (late["job, wall"], late["captioned clips"]) == ("MISSED", "MISSED")


def test_scenes_of_pyscenedetect_are_counted_from_0(tmp_path: Path) -> None:
    listing = tmp_path / "scenes.csv"
    listing.write_text("Scene Number,Start Frame\n1,1\n2,31\n3,61\n")

    assert read_first_frames(listing) == [0, 30, 60]


def test_every_goal_has_a_part_that_measures_it() -> None:
    measured = [goal for goals, _ in PARTS for goal in goals]

    assert sorted(measured) == sorted(GOALS)


def test_goals_are_named_in_a_list() -> None:
    assert parse_goals("s5, S1,S5") == ["S5", "S1"]
    for wrong in ("", "S99", "speed"):
        with pytest.raises(argparse.ArgumentTypeError, match="goals are S1"):
            parse_goals(wrong)


def test_the_report_is_json_even_without_numbers() -> None:
    rows = [
        GoalRow("S10", "smart cut", "encode", math.nan, at_most=0.15, why="not built"),
        GoalRow("S1", "analysis", "decode", 2.0, 1.0, at_most=1.15),
    ]

    report = build_report(
        rows, argparse.Namespace(rounds=3, source=Path("talk.mp4"), json=None), {}
    )
    text = json.dumps(report, allow_nan=False)

    assert report["passed"] is False
    assert '"verdict": "not built"' in text
    assert '"source": "talk.mp4"' in text


def test_the_table_shows_each_goal_beside_what_it_is_measured_against() -> None:
    console = Console(file=io.StringIO(), width=160)
    console.print(build_table(PAIR.rows({"ours": Cost(1.2, 1.0), "theirs": Cost(1.0, 1.0)})))
    text = console.file.getvalue()  # type: ignore[attr-defined]

    assert text.count("ffmpeg") == 2
    assert text.count("MISSED") == 1
