"""`mobula models` shows models, and the names by which they answer."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from rich.console import Console

from cluster.cli import models
from tests.command_line import run_command

LISTED: list[dict[str, Any]] = [
    {"id": "nano", "engine": "openvino", "aliases": ["tiny"], "ready": True},
    {"id": "tiny", "engine": "openvino", "root": "nano", "ready": True},
    {"id": "canary", "targets": ["nano", "qwen"], "ready": True},
]


def test_names_are_shown_with_what_they_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/models"
        return httpx.Response(200, json={"data": LISTED})

    def connect(*_: object) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://mobula.test")

    monkeypatch.setattr(models, "running_state", lambda _: SimpleNamespace(url="x"))
    monkeypatch.setattr(models, "client", connect)
    monkeypatch.setattr(models, "console", Console(width=200))

    lines = run_command(["models"]).stdout.splitlines()

    rows = [line.replace("\u2502", " ").split() for line in lines]
    assert ["tiny", "openvino", "True", "nano"] in rows
    assert ["canary", "True", "nano,", "qwen"] in rows
    assert ["nano", "openvino", "True"] in rows
