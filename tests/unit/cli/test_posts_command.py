"""`mobula posts`: what it sends, and what it prints of the answer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.cli import api
from tests.command_line import run_command

GOAL = {"supported": True, "before": 0.5, "after": 0.8, "delta": 0.3, "reason_after": "Easy."}
OPTIMIZED = {
    "text": "We use it.",
    "reason": None,
    "goals": {"readability": GOAL, "sentiment": {"supported": False, "reason": "Not English."}},
    "variants": [
        {"why": [{"rule": "plain word", "reason": "Plainer.", "before": "utilize", "after": "use"}]}
    ],
}
TIMED = {
    "reason": None,
    "hours": [
        {
            "day": "friday",
            "hour": 18,
            "index": 1.4,
            "low": 1.2,
            "high": 1.6,
            "posts": 9,
            "is_certain": True,
        }
    ],
}
TOO_FEW = {"reason": "1 outcomes are too few.", "hours": []}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The bodies that reach the cluster."""
    bodies: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        if request.url.path.endswith("/optimize"):
            return httpx.Response(200, json=OPTIMIZED)
        return httpx.Response(200, json=TIMED if len(bodies[-1]["outcomes"]) > 1 else TOO_FEW)

    @contextmanager
    def connect(key: str | None) -> Iterator[httpx.Client]:
        with httpx.Client(
            transport=httpx.MockTransport(answer), base_url="http://mobula.test"
        ) as client:
            yield client

    monkeypatch.setattr(api, "connect", connect)
    return bodies


def test_the_improved_draft_is_printed_with_reasons(sent: list[dict[str, Any]]) -> None:
    command = ["posts", "optimize", "We utilize it.", "-p", "x", "-g", "readability, sentiment"]
    output = run_command([*command, "--keep", "it", "--why"]).output

    assert sent == [
        {
            "text": "We utilize it.",
            "platform": "x",
            "goals": ["readability", "sentiment"],
            "phrases": ["it"],
            "rewrite": "rules",
        }
    ]
    assert all(word in output for word in ("Plainer.", "Not English.", "We use it."))


def test_hours_are_found_from_a_file(sent: list[dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "outcomes.csv"
    file.write_text(
        "at,impressions,engagements\n2026-09-07T18:00:00+02:00,900,41\n1788739200,800,3\n"
    )

    output = run_command(["posts", "best-time", str(file), "-z", "Europe/Berlin"]).output

    assert sent[0]["outcomes"] == [
        {"at": 1_788_796_800.0, "impressions": 900, "engagements": 41},
        {"at": 1_788_739_200.0, "impressions": 800, "engagements": 3},
    ]
    assert "friday" in output


@pytest.mark.parametrize(
    "content", ["at,impressions,engagements\n1,2,3\n", "at,impressions\n1,2\n", "at\nsoon\n"]
)
def test_a_file_that_says_too_little_fails(
    sent: list[dict[str, Any]], tmp_path: Path, content: str
) -> None:
    file = tmp_path / "outcomes.csv"
    file.write_text(content)

    assert run_command(["posts", "best-time", str(file)]).exit_code == 1
