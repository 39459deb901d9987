"""What the layers around the application add, refuse and write down."""

import asyncio
import json
import uuid

import httpx
from starlette.types import ASGIApp

from deployments.ingress.http.app import create_app
from tests.api.fakes import WordsModel
from tests.api.web import ADMIN_KEY, MakeServices, client_of
from tests.api.wire import Wire

CHAT = "/v1/chat/completions"
HELLO = {"model": "words", "messages": [{"role": "user", "content": "a secret wish"}]}


async def test_a_sane_request_id_is_kept_and_an_odd_one_replaced(
    client: httpx.AsyncClient,
) -> None:
    mine = str(uuid.uuid4())
    kept = await client.get("/healthz", headers={"X-Request-ID": mine})
    replaced = await client.get("/healthz", headers={"X-Request-ID": "a b;c"})

    assert kept.headers.get_list("x-request-id") == [mine]
    assert replaced.headers["x-request-id"].startswith("req_")


async def test_every_answer_carries_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/nowhere", "/v1/models"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]


async def test_a_host_that_is_not_served_is_421(make_services: MakeServices) -> None:
    app = create_app(make_services(allowed_hosts=("api.test", "*.mobula.test")))
    async with client_of(app) as client:
        exact = await client.get("/version", headers={"Host": "API.test:8000"})
        below = await client.get("/version", headers={"Host": "eu.mobula.test"})
        other = await client.get("/version", headers={"Host": "evilmobula.test"})
        probe = await client.get("/healthz", headers={"Host": "10.0.0.7:8000"})

    assert (exact.status_code, below.status_code, other.status_code) == (200, 200, 421)
    assert probe.status_code == 200


async def test_cors_answers_allowed_origins_only_and_never_with_credentials(
    make_services: MakeServices,
) -> None:
    app = create_app(make_services(cors_origins=("https://studio.test",)))
    preflight = {"Access-Control-Request-Method": "POST"}
    async with client_of(app) as client:
        good = await client.options(CHAT, headers={"Origin": "https://studio.test", **preflight})
        bad = await client.options(CHAT, headers={"Origin": "https://evil.test", **preflight})
        refused = await client.post(CHAT, json={}, headers={"Origin": "https://studio.test"})

    assert good.headers["access-control-allow-origin"] == "https://studio.test"
    assert "access-control-allow-credentials" not in good.headers
    assert "access-control-allow-origin" not in bad.headers
    assert refused.status_code == 400  # and the page may read why
    assert refused.headers["access-control-allow-origin"] == "https://studio.test"


async def test_large_answers_are_compressed_and_event_streams_never(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    model.words = ["word"] * 500
    whole = await client.post(CHAT, json=HELLO)
    stream = await client.post(CHAT, json={**HELLO, "stream": True})

    assert whole.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in stream.headers


async def test_requests_over_the_replica_s_limit_are_refused_and_probes_are_not(
    make_services: MakeServices, model: WordsModel
) -> None:
    model.hold = asyncio.Event()
    app = create_app(make_services(max_concurrent_requests=1))
    headers = [("authorization", f"Bearer {ADMIN_KEY}"), ("content-type", "application/json")]
    first = Wire(app, CHAT, headers=headers).start().body(json.dumps(HELLO).encode())
    await model.opened.wait()

    async with client_of(app) as client:
        refused = await client.post(CHAT, json=HELLO)
        probe = await client.get("/healthz")
    model.hold.set()
    await first.ended()

    assert (refused.status_code, probe.status_code, first.status) == (503, 200, 200)
    assert refused.headers["retry-after"] == "1"


async def test_the_access_log_has_one_json_line_without_prompt_or_key(
    client: httpx.AsyncClient, access_log: list[bytes]
) -> None:
    response = await client.post(CHAT, json=HELLO)

    [written] = access_log
    line = json.loads(written)
    assert (line["status"], line["tenant"], line["model"]) == (200, "acme", "words")
    assert line["request_id"] == response.headers["x-request-id"]
    assert b"secret" not in written


async def test_the_overhead_header_leaves_out_the_model_s_time(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    model.hold = asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, model.hold.set)
    response = await client.post(CHAT, json=HELLO)

    assert float(response.headers["x-mobula-overhead-ms"]) < 150


async def test_readiness_follows_the_models_and_liveness_does_not(
    app: ASGIApp, model: WordsModel
) -> None:
    model.up = False
    async with client_of(app) as client:
        ready, alive, health = (
            await client.get("/readyz"),
            await client.get("/healthz"),
            await client.get("/health"),
        )

    assert (ready.status_code, alive.status_code, health.status_code) == (503, 200, 200)
    assert "words" in ready.json()["detail"]
    assert health.json()["status"] == "degraded"
    assert health.json()["models"]["words"]["status"] == "unavailable"


async def test_health_reports_this_replica_s_tally(client: httpx.AsyncClient) -> None:
    await client.post(CHAT, json=HELLO)

    replica = (await client.get("/health")).json()["replica"]
    assert (replica["calls"], replica["open"], replica["completion_tokens"]) == (1, 0, 3)
