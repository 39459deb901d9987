"""The API's description is complete, and the copy in docs/ is current."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from tests.api.web import client_of

OTHER_BODIES = {  # pieces of a file, forms
    "/v1/files",
    "/api/v1/uploads",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
}
PUBLISHED = Path(__file__).parents[2] / "docs" / "openapi.json"


@pytest.fixture
def document(openapi: dict[str, Any]) -> dict[str, Any]:
    return openapi


def test_the_published_description_is_current(document: dict[str, Any]) -> None:
    """Write it anew with `python -m deployments.ingress > docs/openapi.json`."""
    published = json.loads(PUBLISHED.read_text())
    document["info"]["version"] = published["info"]["version"]
    assert document == published


def test_every_operation_id_is_a_verb_and_a_noun_and_unique(document: dict[str, Any]) -> None:
    """They become the methods of generated clients."""
    ids = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    verbs = {
        "activate", "analyze", "append", "ask", "cancel", "change", "check", "clear", "compare",
        "count", "create", "delete", "download", "erase", "export", "find", "get", "group", "index",
        "invalidate", "list", "optimize", "prune", "put", "query", "refresh", "reindex", "render",
        "restore", "revoke", "rewrite", "rotate", "search", "set", "sign", "stream", "summarize",
        "suspend", "test", "train", "translate", "update", "verify",
    }  # fmt: skip

    assert len(ids) == len(set(ids))
    assert [id for id in ids if id.split("_")[0] not in verbs or "_" not in id] == []


def test_every_post_describes_its_body_with_an_example_and_its_problems(
    document: dict[str, Any],
) -> None:
    schemas = document["components"]["schemas"]
    for path, item in document["paths"].items():
        if (post := item.get("post")) is None:
            continue
        content = post["requestBody"]["content"]
        assert "application/json" in content or path in OTHER_BODIES, path
        if (described := content.get("application/json")) is not None:
            body = schemas[described["schema"]["$ref"].rsplit("/", 1)[-1]]
            assert "example" in body or "items" in body["properties"], path
        for status in ("400", "401", "404", "413", "422", "503", "504"):
            media = next(iter(post["responses"][status]["content"].values()))
            assert media["example"], (path, status)


def test_routes_that_limits_guard_describe_429_and_retry_after(document: dict[str, Any]) -> None:
    facts = {"/healthz", "/readyz", "/health", "/version", "/.well-known/jwks.json"}
    unlimited = facts | {"/files/{token}"}  # whoever has a link is no tenant
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if path not in unlimited:
                assert "Retry-After" in operation["responses"]["429"]["headers"], (method, path)


def test_routes_that_generate_describe_the_headers_of_keys_and_of_the_cache(
    document: dict[str, Any],
) -> None:
    chat = document["paths"]["/v1/chat/completions"]["post"]
    asked = {each["$ref"].rsplit("/", 1)[-1] for each in chat["parameters"]}
    assert {"Idempotency-Key", "Cache-Control", "Mobula-Cache-Tags"} <= asked
    assert {"Cache-Status", "Age"} <= chat["responses"]["200"]["headers"].keys()
    assert "409" in chat["responses"]
    embeddings = document["paths"]["/v1/embeddings"]["post"]
    assert {"$ref": "#/components/parameters/Cache-Control"} not in embeddings["parameters"]


@pytest.mark.parametrize("kind", ["schemas", "parameters", "headers"])
def test_every_reference_leads_somewhere(document: dict[str, Any], kind: str) -> None:
    text = json.dumps(document)
    named = {part.split('"')[0] for part in text.split(f"#/components/{kind}/")[1:]}
    assert named
    assert named <= document["components"][kind].keys()


def test_only_probes_facts_and_signing_in_need_no_key(document: dict[str, Any]) -> None:
    public = {
        path
        for path, item in document["paths"].items()
        for operation in item.values()
        if not operation["security"]
    }
    sign_in = {f"/api/v1/auth/{verb}" for verb in ("login", "refresh", "logout")}
    facts = {"/healthz", "/readyz", "/health", "/version", "/.well-known/jwks.json"}
    assert public == facts | sign_in | {"/files/{token}"}


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_the_pages_are_served(app: ASGIApp, page: str) -> None:
    async with client_of(app, key=None) as client:
        assert (await client.get(page)).status_code == 200
