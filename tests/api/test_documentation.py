"""The pages that describe the API: whole without internet, and allowed by their own policy."""

import re
from html.parser import HTMLParser

import httpx
import pytest
from starlette.types import ASGIApp

from tests.api.web import client_of

PAGES = ("/docs", "/redoc")
_NEEDED = {
    "/docs": {"script-src", "style-src", "img-src", "connect-src"},
    "/redoc": {"script-src", "style-src", "img-src", "connect-src", "worker-src"},
}


class _References(HTMLParser):
    """What a page loads, and the text of its scripts, styles and handlers."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.inline: list[str] = []
        self._in: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in = tag if tag in ("script", "style") else None
        self.urls += [str(given[name]) for name in ("src", "href", "action") if name in given]
        self.inline += [str(value) for name, value in attrs if name.startswith(("on", "style"))]

    def handle_data(self, data: str) -> None:
        if self._in and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in = None


def references(page: str) -> _References:
    parser = _References()
    parser.feed(page)
    return parser


def policy(answer: httpx.Response) -> dict[str, list[str]]:
    [given] = answer.headers.get_list("content-security-policy")
    return {name: values for name, *values in (each.split() for each in given.split(";"))}


@pytest.fixture
async def stranger(app: ASGIApp) -> httpx.AsyncClient:
    return client_of(app, key=None)


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_loads_only_what_the_application_itself_serves(
    stranger: httpx.AsyncClient, page: str
) -> None:
    found = references((await stranger.get(page)).text)

    assert found.inline == []
    assert len(found.urls) >= 3
    for url in found.urls:
        assert not re.match(r"[a-z]*:|//", url), url
        loaded = await stranger.get(str(httpx.URL(f"http://mobula.test{page}").join(url)))
        assert loaded.status_code == 200, url
        assert loaded.content


@pytest.mark.parametrize("page", PAGES)
async def test_the_policy_allows_what_the_page_needs_and_no_other_origin(
    stranger: httpx.AsyncClient, page: str
) -> None:
    allowed = policy(await stranger.get(page))

    assert allowed["default-src"] == ["'none'"]
    assert allowed["frame-ancestors"] == ["'none'"]
    assert allowed["script-src"] == ["'self'"]
    assert _NEEDED[page] <= allowed.keys()
    sources = {value for values in allowed.values() for value in values}
    assert sources <= {"'none'", "'self'", "'unsafe-inline'", "data:", "blob:"}
    assert "'unsafe-inline'" not in allowed["script-src"]


@pytest.mark.parametrize("page", PAGES)
async def test_the_scripts_that_start_a_page_name_no_other_origin(
    stranger: httpx.AsyncClient, page: str
) -> None:
    [start] = [url for url in references((await stranger.get(page)).text).urls if "start" in url]

    script = (await stranger.get(f"/{start}")).text

    assert "openapi.json" in script
    assert "//" not in script
    assert "validatorUrl: null" in script or page == "/redoc"


async def test_scripts_are_compressed_once_and_have_a_tag(stranger: httpx.AsyncClient) -> None:
    path = "/docs/assets/swagger-ui-bundle.js"

    zipped = await stranger.get(path)
    plain = await stranger.get(path, headers={"Accept-Encoding": "identity"})
    again = await stranger.get(path, headers={"If-None-Match": zipped.headers["etag"]})

    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) < len(plain.content) / 2
    assert zipped.content == plain.content
    assert "content-encoding" not in plain.headers
    assert zipped.headers["etag"] != plain.headers["etag"]
    assert (again.status_code, again.content) == (304, b"")


async def test_the_assets_are_scripts_and_styles_to_a_browser(stranger: httpx.AsyncClient) -> None:
    kinds = {
        "/docs/assets/swagger-ui.css": "text/css",
        "/docs/assets/redoc.standalone.js": "text/javascript",
        "/redoc/logo-mini.svg": "image/svg+xml",
    }
    for path, kind in kinds.items():
        answer = await stranger.get(path)
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await stranger.get("/docs/assets/../../secrets")).status_code == 404
