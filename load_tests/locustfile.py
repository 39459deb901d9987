"""Locust's entry point: users, a shape, thresholds that decide the exit code.

    .venv/bin/locust -f load_tests/locustfile.py --headless --host http://127.0.0.1:8000 \
        --key "$(cat .mobula/admin.key)" --shape ramp --peak 20 --length 60
"""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from locust import LoadTestShape, events

from load_tests.shapes import SHAPES
from load_tests.thresholds import Thresholds, missed
from load_tests.users.captions import CaptionUser
from load_tests.users.chat import ChatUser, StreamUser

__all__ = ["CaptionUser", "ChatUser", "Chosen", "StreamUser"]


@events.init_command_line_parser.add_listener
def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--key", default="", help="the API key that users present")
    parser.add_argument("--model", default="nano", help="the model that chat users name")
    parser.add_argument("--shape", default="steady", choices=sorted(SHAPES))
    parser.add_argument("--peak", type=int, default=10, help="users at the shape's highest point")
    parser.add_argument("--length", type=float, default=60.0, help="seconds")
    parser.add_argument("--max-p95-ms", type=float, default=Thresholds.p95_ms)
    parser.add_argument("--max-error-share", type=float, default=Thresholds.error_share)


class Chosen(LoadTestShape):
    """The shape that `--shape` names."""

    def tick(self) -> tuple[int, float] | None:
        assert self.runner is not None
        options = self.runner.environment.parsed_options
        return SHAPES[options.shape](self.get_run_time(), options.peak, options.length)


@events.quitting.add_listener
def _judge(environment: Any, **_: Any) -> None:
    options, total = environment.parsed_options, environment.stats.total
    limits = Thresholds(error_share=options.max_error_share, p95_ms=options.max_p95_ms)
    p95_ms = total.get_response_time_percentile(0.95) or 0.0
    broken = sum(entry["count"] for entry in environment.runner.exceptions.values())
    faults = missed(limits, total.num_requests, total.num_failures, p95_ms, broken)
    for fault in faults:
        print(f"MISSED: {fault}", file=sys.stderr)
    if not faults:
        print("passed: every threshold was met")
    environment.process_exit_code = 1 if faults else 0
