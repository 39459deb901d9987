"""`mobula text`: what it sends, and what it prints of the answer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.cli import api
from tests.command_line import run_command

RESULTS = {
    "hashtags": {
        "supported": True,
        "value": {"tags": ["tea"]},
        "confidence": 1.0,
        "reasons": ["#tea is there 2 times."],
        "spans": [{"start": 0, "end": 4, "text": "#tea"}],
        "by": "hashtags@1",
    },
    "entities": {"supported": False, "reason": "Not installed.", "install": "Do so.", "by": "e@1"},
}
WRITTEN = {"text": "Short.", "fallback": {"reason": "It named '99'.", "ungrounded": []}}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """The requests that reach the cluster."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        is_analysis = request.url.path.endswith("/analyze")
        return httpx.Response(200, json={"results": RESULTS} if is_analysis else WRITTEN)

    @contextmanager
    def connect(key: str | None) -> Iterator[httpx.Client]:
        with httpx.Client(
            transport=httpx.MockTransport(answer), base_url="http://mobula.test"
        ) as client:
            yield client

    monkeypatch.setattr(api, "connect", connect)
    return requests


def body(request: httpx.Request) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.content)
    return found


def test_an_analysis_is_a_table(sent: list[httpx.Request]) -> None:
    output = run_command(["text", "analyze", "#tea", "-o", "hashtags,entities"]).output

    assert body(sent[0]) == {"text": "#tea", "operations": ["hashtags", "entities"]}
    assert "#tea is there 2 times." in output
    assert "not supported" in output


def test_labels_ask_for_a_classification(sent: list[httpx.Request]) -> None:
    run_command(["text", "analyze", "hello", "--labels", "sale,news", "--json"])

    assert body(sent[0])["operations"] == ["classification"]
    assert body(sent[0])["options"] == {"classification": {"labels": ["sale", "news"]}}


def test_a_text_may_be_in_a_file(sent: list[httpx.Request], tmp_path: Path) -> None:
    file = tmp_path / "draft.txt"
    file.write_text("A draft.")
    result = run_command(["text", "summarize", f"@{file}", "-n", "2"])

    assert body(sent[0]) == {"text": "A draft.", "method": "extractive", "sentences": 2}
    assert "Short." in result.output
    assert run_command(["text", "summarize", f"@{tmp_path}/none"]).exit_code == 1


def test_a_rewriting_and_a_translation_name_their_models(sent: list[httpx.Request]) -> None:
    run_command(["text", "rewrite", "Hi.", "--tone", "witty", "--model", "qwen"])
    run_command(["text", "translate", "Hi.", "de", "--model", "qwen"])

    assert body(sent[0])["method"] == "model"
    assert (body(sent[0])["tone"], body(sent[0])["model"]) == ("witty", "qwen")
    assert body(sent[1]) == {"text": "Hi.", "to": "de", "model": "qwen"}
