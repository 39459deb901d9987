"""`mobula documents`: what it sends, and what it prints."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.cli import api
from tests.command_line import run_command

CITATION = {"number": 1, "name": "manual.pdf", "page": 3, "quote": "Five years."}
ANSWER = {"answer": "Five years [1].", "reason": None, "citations": [CITATION]}
DOCUMENT = {"id": "doc_1", "name": "manual.pdf", "state": "indexed", "job": None, "problem": None}
SUMMARY = {"text": "Five years.", "fallback": None, "citations": [CITATION]}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """The requests that reach the cluster."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        requests.append(request)
        path = request.url.path
        if request.method == "DELETE":
            return httpx.Response(204)
        if path.endswith("/text"):
            return httpx.Response(200, text="What it says.")
        if path.endswith("/ask"):
            return httpx.Response(200, json=ANSWER)
        if path.endswith("/summary"):
            return httpx.Response(200, json=SUMMARY)
        if b"broken" in request.content:
            return httpx.Response(422, json={"detail": "The document is damaged."})
        return httpx.Response(201, json=DOCUMENT)

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


def test_a_file_is_sent_in_a_form(sent: list[httpx.Request], tmp_path: Path) -> None:
    file = tmp_path / "manual.pdf"
    file.write_bytes(b"%PDF")

    done = run_command(["documents", "add", str(file), "--without-ocr", "-c", "manuals"])
    assert (done.exit_code, "doc_1" in done.output) == (0, True)
    assert sent[0].url.path == "/api/v1/documents"
    for part in (b"%PDF", b'name="ocr"\r\n\r\nfalse', b'name="collection"\r\n\r\nmanuals'):
        assert part in sent[0].content


def test_a_url_is_sent_as_json(sent: list[httpx.Request]) -> None:
    run_command(["documents", "add", "https://example.com/a.pdf", "--without-index"])

    assert body(sent[0]) == {"url": "https://example.com/a.pdf", "index": False}


def test_what_is_refused_ends_the_command(sent: list[httpx.Request], tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(b"broken")

    refused = run_command(["documents", "add", str(file)])
    missing = run_command(["documents", "add", str(tmp_path / "none")])
    assert (refused.exit_code, missing.exit_code) == (1, 1)
    assert len(sent) == 1


def test_an_answer_is_printed_with_its_quotes(sent: list[httpx.Request]) -> None:
    output = run_command(["documents", "ask", "How long?", "-d", "doc_1", "-d", "doc_2"]).output

    assert body(sent[0]) == {"question": "How long?", "documents": ["doc_1", "doc_2"]}
    assert output.splitlines()[:2] == ["Five years [1].", "[1] manual.pdf, p. 3: Five years."]


def test_a_summary_text_and_the_end_of_a_document(sent: list[httpx.Request]) -> None:
    summary = run_command(["documents", "summarize", "doc_1", "-n", "2"]).output
    text = run_command(["documents", "text", "doc_1", "--markdown"]).output
    run_command(["documents", "delete", "doc_1"])

    assert summary.strip() == "p. 3: Five years."
    assert text == "What it says."
    assert [request.method for request in sent] == ["POST", "GET", "DELETE"]
    assert sent[1].url.params["format"] == "markdown"
