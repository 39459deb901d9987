"""The demo's step about collections, against answers that are made up."""

import json

import httpx
import pytest

from cluster.cli.demo_drafts import DemoFailed
from cluster.cli.demo_search import NAME, QUERIES, URL, search_texts


def client(asked: list[tuple[str, str]], refused: str = "", status: int = 500) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        asked.append((request.method, path.removeprefix(URL)))
        if refused and path.endswith(refused):
            return httpx.Response(status, json={"detail": "not here"})
        if request.method == "DELETE":
            return httpx.Response(204)
        text = json.loads(request.content).get("text", "")
        return httpx.Response(200, json={"results": [{"score": 1, "text": text.upper()}]})

    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://mobula.test")


def test_texts_are_found_and_the_collection_is_removed(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[str, str]] = []

    search_texts(client(asked))

    assert asked[:2] == [("POST", ""), ("PUT", f"/{NAME}/points")]
    assert asked[-1] == ("DELETE", f"/{NAME}")
    printed = capsys.readouterr().out
    assert all(query.upper() in printed for query in QUERIES)


def test_a_cluster_that_does_not_search_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[str, str]] = []

    search_texts(client(asked, "/query", 501))

    assert "not here" in capsys.readouterr().out
    assert asked[-1] == ("DELETE", f"/{NAME}")


def test_the_collection_is_removed_after_a_failure() -> None:
    asked: list[tuple[str, str]] = []

    with pytest.raises(DemoFailed, match="not here"):
        search_texts(client(asked, "/points"))
    assert asked[-1] == ("DELETE", f"/{NAME}")
