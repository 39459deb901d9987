"""Strong ETags and 304, over the whole application."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.ingress.http.app import create_app
from deployments.ingress.http.middleware.representation import MAX_TAGGED_BYTES, Representation
from tests.api.fake_services import Fakes, services_over
from tests.api.web import MakeServices, client_of

MODELS = "/v1/models"
PLAIN = {"Accept-Encoding": "identity"}
pytestmark = pytest.mark.asyncio(loop_scope="module")  # that of `client`


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """One application for all: describing its routes takes longer than most of these tests."""
    app = create_app(services_over(Fakes(), tmp_path_factory.mktemp("etags"), lambda _: None))
    async with client_of(app) as client:
        yield client


async def tag_of(client: httpx.AsyncClient, path: str = MODELS, **headers: str) -> str:
    return (await client.get(path, headers=headers)).headers["etag"]


@pytest.mark.parametrize("path", [MODELS, "/v1/models/words", "/version", "/openapi.json", "/docs"])
async def test_json_and_pages_have_a_strong_tag_that_stays_while_they_do(
    client: httpx.AsyncClient, path: str
) -> None:
    first, second = await tag_of(client, path), await tag_of(client, path)

    assert first == second
    assert first[0] == first[-1] == '"'
    assert len(first) > 20


async def test_another_answer_has_another_tag(client: httpx.AsyncClient) -> None:
    held = {"If-None-Match": await tag_of(client, "/v1/models/words")}

    answer = await client.get(MODELS, headers=held)

    assert answer.status_code == 200
    assert answer.headers["etag"] != held["If-None-Match"]


async def test_who_has_it_gets_304_with_the_fields_of_the_answer_and_no_body(
    client: httpx.AsyncClient,
) -> None:
    whole = await client.get("/openapi.json")
    answer = await client.get("/openapi.json", headers={"If-None-Match": whole.headers["etag"]})

    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["etag"] == whole.headers["etag"]
    assert answer.headers["vary"] == whole.headers["vary"]
    assert answer.headers["x-request-id"] != whole.headers["x-request-id"]
    assert "default-src" in answer.headers["content-security-policy"]
    gone = {"content-length", "content-type", "content-encoding", "transfer-encoding"}
    assert not gone & set(answer.headers)


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("*", 304),
        ("{tag}", 304),
        ("W/{tag}", 304),
        ('"other", {tag}', 304),
        ('W/"a,b" ,W/{tag}, "c"', 304),
        ('"other"', 200),
        ("other", 200),
        ("", 200),
        ('"*"', 200),
        ("*, *", 200),
    ],
)
async def test_conditions_are_lists_compared_weakly(
    client: httpx.AsyncClient, condition: str, status: int
) -> None:
    tag = await tag_of(client)

    answer = await client.get(MODELS, headers={"If-None-Match": condition.format(tag=tag)})

    assert answer.status_code == status


async def test_a_condition_may_come_in_several_lines(client: httpx.AsyncClient) -> None:
    lines = [("If-None-Match", '"other"'), ("If-None-Match", await tag_of(client))]

    assert (await client.get(MODELS, headers=lines)).status_code == 304


async def test_each_coding_has_the_tag_of_its_own_bytes(client: httpx.AsyncClient) -> None:
    zipped = await client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    plain = await client.get("/openapi.json", headers=PLAIN)

    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.content == plain.content
    assert zipped.headers["etag"] != plain.headers["etag"]
    crossed = {"If-None-Match": zipped.headers["etag"], **PLAIN}
    assert (await client.get("/openapi.json", headers=crossed)).status_code == 200
    assert "accept-encoding" in zipped.headers["vary"].lower()


async def test_head_has_the_tag_of_get(client: httpx.AsyncClient) -> None:
    tag = await tag_of(client, "/openapi.json")
    head = await client.head("/openapi.json")
    known = await client.head("/openapi.json", headers={"If-None-Match": tag})

    assert (head.status_code, head.headers["etag"]) == (200, tag)
    assert known.status_code == 304


@pytest.mark.parametrize("path", ["/health", "/healthz", "/readyz"])
async def test_probes_are_never_answered_from_memory(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"If-None-Match": "*"})

    assert answer.status_code == 200
    assert "etag" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


async def test_refusals_and_posts_have_no_tag(client: httpx.AsyncClient) -> None:
    missing = await client.get("/v1/models/none", headers={"If-None-Match": "*"})
    body = {"model": "words", "messages": [{"role": "user", "content": "hi"}]}
    posted = await client.post("/v1/chat/completions", json=body, headers={"If-None-Match": "*"})

    assert (missing.status_code, posted.status_code) == (404, 200)
    assert "etag" not in missing.headers
    assert "etag" not in posted.headers


async def test_a_browser_may_read_the_tag(make_services: MakeServices) -> None:
    app = create_app(make_services(cors_origins=("https://studio.test",)))
    async with client_of(app) as client:
        answer = await client.get(MODELS, headers={"Origin": "https://studio.test"})

    assert "ETag" in answer.headers["access-control-expose-headers"]


class Answers:
    """Answers with `parts`, as JSON unless told otherwise."""

    def __init__(self, *parts: bytes, kind: str = "application/json", tag: str = "") -> None:
        self.parts, self.kind, self.tag = parts, kind, tag

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"Content-Type", self.kind.encode())]
        headers += [(b"ETag", self.tag.encode())] if self.tag else []
        start: Message = {"type": "http.response.start", "status": 200, "headers": headers}
        await send(start)
        for index, part in enumerate(self.parts):
            more = index < len(self.parts) - 1
            await send({"type": "http.response.body", "body": part, "more_body": more})


async def get(app: ASGIApp) -> httpx.Response:
    async with client_of(Representation(app)) as client:
        return await client.get("/x", headers={"If-None-Match": "*", **PLAIN})


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(Answers(b"{", b"}"), id="in pieces"),
        pytest.param(Answers(b"x", kind="text/event-stream"), id="events"),
        pytest.param(Answers(b"x", kind="image/png"), id="an image"),
        pytest.param(Answers(b""), id="nothing"),
        pytest.param(Answers(b"x" * (MAX_TAGGED_BYTES + 1)), id="too large"),
        pytest.param(Answers(b"x", tag='"mine"'), id="with a tag of its own"),
    ],
)
async def test_what_is_no_short_whole_answer_passes_as_it_is(app: Answers) -> None:
    answer = await get(app)

    assert answer.status_code == 200
    assert answer.content == b"".join(app.parts)
    assert answer.headers.get("etag", "") == app.tag


@pytest.mark.parametrize("kind", ["application/problem+json", "text/html; charset=utf-8"])
async def test_json_of_any_kind_and_html_are_tagged(kind: str) -> None:
    assert (await get(Answers(b"x" * MAX_TAGGED_BYTES, kind=kind))).status_code == 304


async def test_other_scopes_pass() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: object) -> Message:
        return {}

    await Representation(app)({"type": "lifespan"}, nothing, nothing)  # type: ignore[arg-type]

    assert seen == ["lifespan"]
