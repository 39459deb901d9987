"""Locust's entry point: users, a shape, thresholds that decide the exit code, a report.

    .venv/bin/locust -f load_tests/locustfile.py --headless --host http://127.0.0.1:8000 \
        --key "$(cat .mobula/admin.key)" --shape ramp --peak 20 --length 60

`./mobula bench load` says the same in fewer words.
"""

import sys
import time
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from locust import LoadTestShape, events

from load_tests.machine import describe_machine
from load_tests.noisy_neighbor import list_missed_isolation
from load_tests.report import build_files, group_by_route
from load_tests.shapes import SHAPES, quiet
from load_tests.thresholds import Rules, Thresholds, apply_rules, list_missed, read_rules
from load_tests.timeline import RequestSample
from load_tests.users.captions import CaptionUser
from load_tests.users.chat import ChatUser, StreamUser
from load_tests.users.dashboards import DashboardUser, OperatorUser
from load_tests.users.mixes import MIXES
from load_tests.users.noisy_neighbor import NoisyUser, QuietUser
from load_tests.users.repeating import RepeatingUser
from load_tests.users.text import CompletionUser, EmbeddingUser, PostUser
from load_tests.users.videos import VideoUser, recording

__all__ = [
    "CaptionUser", "ChatUser", "SelectedShape", "CompletionUser", "DashboardUser", "EmbeddingUser",
    "NoisyUser", "OperatorUser", "PostUser", "QuietUser", "RepeatingUser", "StreamUser",
    "VideoUser",
]  # fmt: skip

REPORTED_OPTIONS = ("host", "shape", "peak", "length", "mix", "model")


class RequestLog:
    """What ended when, since the run began."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.samples: list[RequestSample] = []
        self.errors: Counter[str] = Counter()
        self.users = 0


request_log = RequestLog()
machine = describe_machine()


@events.init_command_line_parser.add_listener
def _options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--key", default="", help="the API key that users present")
    add("--noisy-key", default="", help="mix neighbours: the key of the tenant that floods")
    add("--model", default="nano", help="the model that chat users name")
    add("--embedding-model", default="minilm", help="the model that embedding users name")
    add("--mix", default="core", choices=sorted(MIXES), help="which users, unless some are named")
    add("--shape", default="steady", choices=sorted(SHAPES))
    add("--peak", type=int, default=10, help="users at the shape's highest point")
    add("--length", type=float, default=60.0, help="seconds")
    add("--max-p95-ms", type=float, default=Thresholds.p95_ms)
    add("--max-p99-ms", type=float, default=Thresholds.p99_ms)
    add("--max-error-share", type=float, default=Thresholds.error_share)
    add("--min-requests", type=int, default=Thresholds.min_requests)
    add("--thresholds", default="", help="a YAML file with thresholds for single routes")
    add("--max-quiet-factor", type=float, default=3.0, help="mix neighbours: p95 in the flood")
    add("--max-quiet-slack-ms", type=float, default=250.0, help="mix neighbours: ... and so much")
    add("--report", default="", help="a folder for a report in Markdown with charts")


@events.init.add_listener
def _choose(environment: Any, **_: Any) -> None:
    """The mix, unless users were named on the command line."""
    options = environment.parsed_options
    if not options.user_classes:
        environment.user_classes[:] = MIXES[options.mix]
    if QuietUser in environment.user_classes:
        QuietUser.fixed_count = quiet(options.peak)
    if VideoUser in environment.user_classes:
        recording()


@events.test_start.add_listener
def _begin(environment: Any, **_: Any) -> None:
    request_log.began = time.monotonic()


@events.request.add_listener
def _note(name: str, response_time: float, exception: Any, **_: Any) -> None:
    at = time.monotonic() - request_log.began
    request_log.samples.append(
        RequestSample(at, name, response_time, exception is not None, request_log.users)
    )
    if exception is not None:
        request_log.errors[f"{name}: {exception}"[:160]] += 1


class SelectedShape(LoadTestShape):
    """The shape that `--shape` names."""

    def tick(self) -> tuple[int, float] | None:
        assert self.runner is not None
        options: Any = self.runner.environment.parsed_options
        request_log.users = self.runner.user_count
        return SHAPES[options.shape](self.get_run_time(), options.peak, options.length)


@events.quitting.add_listener
def _judge(environment: Any, **_: Any) -> None:
    options = environment.parsed_options
    faults = _faults(environment, options)
    for fault in faults:
        print(f"MISSED: {fault}", file=sys.stderr)
    if not faults:
        print("passed: every threshold was met")
    environment.process_exit_code = 1 if faults else 0
    if options.report:
        _write(Path(options.report), faults, options)


def _faults(environment: Any, options: Any) -> list[str]:
    total = environment.stats.total
    limits = Thresholds(
        options.max_error_share, options.max_p95_ms, options.min_requests, options.max_p99_ms
    )
    p95_ms, p99_ms = (total.get_response_time_percentile(q) or 0.0 for q in (0.95, 0.99))
    broken = sum(entry["count"] for entry in environment.runner.exceptions.values())
    faults = list_missed(limits, total.num_requests, total.num_failures, p95_ms, broken, p99_ms)
    rules = read_rules(Path(options.thresholds)) if options.thresholds else Rules()
    faults += apply_rules(rules, group_by_route(request_log.samples))
    if QuietUser in environment.user_classes and options.shape == "noisy":
        allowed = (options.max_quiet_factor, options.max_quiet_slack_ms)
        faults += list_missed_isolation(request_log.samples, options.length, *allowed)
    return faults


def _write(folder: Path, faults: list[str], options: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    conditions = {name: getattr(options, name) for name in REPORTED_OPTIONS}
    files = build_files(
        request_log.samples, faults, conditions, machine, dict(request_log.errors.most_common(20))
    )
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    print(f"report: {folder / 'report.md'}")
