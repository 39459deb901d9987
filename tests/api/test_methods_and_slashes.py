"""HEAD, Allow and slashes at the end, on every route."""

import re
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from deployments.ingress.http.listener import METHODS
from tests.api.web import client_of
from tests.api.wire import Wire


@pytest.fixture
def paths(openapi: dict[str, Any]) -> dict[str, set[str]]:
    """The described methods of each path, filled in."""
    return {
        re.sub(r"{[^}]*}", "abcd", path): {method.upper() for method in item}
        for path, item in openapi["paths"].items()
    }


async def test_allow_names_every_method_of_a_path(
    paths: dict[str, set[str]], client: httpx.AsyncClient
) -> None:
    patterns = [re.compile(path.replace("abcd", "[^/]+")) for path in paths if "abcd" in path]
    for path, methods in paths.items():
        may_be_another = any(pattern.fullmatch(path) for pattern in patterns)
        for method in sorted(METHODS - methods - {"HEAD", "OPTIONS", "POST"}):
            answer = await client.request(method, path)
            if may_be_another and answer.status_code != 405:
                continue
            assert answer.status_code == 405, (method, path)
            allowed = set(answer.headers["allow"].split(", "))
            assert methods <= allowed, (method, path)
            assert ("HEAD" in allowed) == ("GET" in allowed or "HEAD" in methods)
            assert method not in allowed


async def test_the_refusal_of_an_override_names_the_methods_too(client: httpx.AsyncClient) -> None:
    answer = await client.put("/api/v1/uploads/abcd", headers={"Tus-Resumable": "1.0.0"})

    assert answer.status_code == 405
    assert {"PATCH", "HEAD", "GET", "DELETE"} <= set(answer.headers["allow"].split(", "))


async def test_head_has_the_status_and_fields_of_get_wherever_there_is_a_get(
    paths: dict[str, set[str]], client: httpx.AsyncClient
) -> None:
    own = {"x-request-id", "x-mobula-overhead-ms", "date"}
    asked = [path for path in paths if "GET" in paths[path] and "HEAD" not in paths[path]]
    for path in [*asked, "/docs", "/redoc", "/openapi.json"]:
        get, head = await client.get(path), await client.head(path)
        assert (head.status_code, head.content) == (get.status_code, b""), path
        if "/files/" not in path:
            assert dict(head.headers).keys() - own == dict(get.headers).keys() - own, path


async def test_head_of_what_has_no_get_is_405(client: httpx.AsyncClient) -> None:
    answer = await client.head("/v1/chat/completions")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_slash_at_the_end_is_another_path_and_leads_nowhere(app: ASGIApp) -> None:
    for path in ("/api/v1/jobs/", "/v1/models/", "/healthz/", "/api/v1/captions/"):
        headers = [("host", "evil.example"), ("authorization", "Bearer mob_admin_secret")]
        wire = await Wire(app, path, "GET", headers).start().body(b"").ended()
        assert wire.status == 404, path
        assert "evil.example" not in str(wire.sent)


async def test_a_stranger_learns_a_status_and_no_more(
    app: ASGIApp, client: httpx.AsyncClient
) -> None:
    async with client_of(app, key=None) as stranger:
        health, version, ready = [
            (await stranger.get(path)).json() for path in ("/health", "/version", "/readyz")
        ]
    assert (health, version, ready) == ({"status": "ok"}, {"name": "mobula"}, {"status": "ready"})

    assert (await client.get("/health")).json()["models"]["words"]["status"] == "ok"
    assert (await client.get("/version")).json()["version"] == "9.9.9"
    ready_models = (await client.get("/readyz")).json()["models"]
    assert ready_models == ["cross", "judge", "letters", "words"]
    async with client_of(app, key="bogus") as liar:
        assert (await liar.get("/health")).status_code == 401
