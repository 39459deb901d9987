"""The pinned transport: what was checked is what is connected to."""

import httpx
import pytest

from cluster.net.ssrf import SsrfGuard, UnsafeUrl
from cluster.net.transport import (
    MAX_ADDRESSES,
    PATIENCE_S,
    PinnedTransport,
    guarded_client,
)

PUBLIC = "93.184.215.14"


class Wire(httpx.AsyncBaseTransport):
    """Records where requests would go; refuses to connect to `down`."""

    def __init__(self, answer: httpx.Response | None = None, down: frozenset[str] = frozenset()):
        self.requests: list[httpx.Request] = []
        self.tried: list[str] = []
        self.connect_s: list[float] = []
        self._answer = answer or httpx.Response(200)
        self._down = down

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.tried.append(request.url.host)
        self.connect_s.append(request.extensions["timeout"]["connect"])
        if request.url.host in self._down:
            raise httpx.ConnectError("refused")
        self.requests.append(request)
        return self._answer


class Names:
    """A resolver that gives the next answer each time, and the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)

    async def __call__(self, host: str, port: int) -> list[str]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def client(wire: Wire, names: Names) -> httpx.AsyncClient:
    return guarded_client(PinnedTransport(SsrfGuard(resolve=names), wire=wire), 5.0)


async def test_the_connection_goes_to_the_checked_address_under_the_name() -> None:
    wire = Wire()
    async with client(wire, Names([PUBLIC])) as http:
        await http.post("https://Hooks.example.com:8443/in?x=1", content=b"hello")

    sent = wire.requests[0]
    assert sent.url == f"https://{PUBLIC}:8443/in?x=1"
    assert sent.headers["host"] == "hooks.example.com:8443"
    assert sent.extensions["sni_hostname"] == "hooks.example.com"
    assert await sent.aread() == b"hello"


async def test_a_name_that_moves_to_a_private_address_is_never_connected_to() -> None:
    """DNS rebinding: the first answer is public, the second private."""
    wire = Wire()
    async with client(wire, Names([PUBLIC], ["127.0.0.1"])) as http:
        await http.get("https://rebind.example.com/")
        with pytest.raises(UnsafeUrl):
            await http.get("https://rebind.example.com/")

    assert wire.tried == [PUBLIC]


async def test_the_next_address_is_tried_when_one_does_not_accept() -> None:
    wire = Wire(down=frozenset({PUBLIC}))
    async with client(wire, Names([PUBLIC, "2606:4700::1"])) as http:
        answer = await http.get("https://two.example.com/")

    assert answer.status_code == 200
    assert wire.tried == [PUBLIC, "2606:4700::1"]


async def test_an_address_that_does_not_answer_leaves_time_for_the_next_one() -> None:
    """The limit of a webhook's delivery, say, is the same for a connection and for all of it."""
    wire = Wire(down=frozenset({PUBLIC}))
    async with client(wire, Names([PUBLIC, "2606:4700::1"])) as http:
        await http.get("https://two.example.com/")

    assert wire.connect_s == [PATIENCE_S, 5.0]


async def test_its_time_is_never_more_than_the_request_allows() -> None:
    wire = Wire(down=frozenset({PUBLIC}))
    async with client(wire, Names([PUBLIC, "2606:4700::1"])) as http:
        await http.get("https://two.example.com/", timeout=0.5)

    assert wire.connect_s == [0.5, 0.5]


async def test_a_name_with_many_addresses_costs_only_a_few_tries() -> None:
    many = [f"93.184.215.{n}" for n in range(50)]
    wire = Wire(down=frozenset(many))
    async with client(wire, Names(many)) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("https://many.example.com/")

    assert wire.tried == many[:MAX_ADDRESSES]


async def test_a_redirect_is_handed_back_not_followed() -> None:
    wire = Wire(httpx.Response(302, headers={"Location": "http://169.254.169.254/"}))
    async with client(wire, Names([PUBLIC])) as http:
        answer = await http.get("https://redirect.example.com/")

    assert answer.status_code == 302
    assert len(wire.tried) == 1


async def test_a_redirect_that_is_followed_is_checked_again() -> None:
    wire = Wire(httpx.Response(302, headers={"Location": "https://169.254.169.254/"}))
    async with client(wire, Names([PUBLIC])) as http:
        with pytest.raises(UnsafeUrl):
            await http.get("https://redirect.example.com/", follow_redirects=True)

    assert wire.tried == [PUBLIC]


async def test_an_international_name_keeps_its_ascii_form() -> None:
    wire = Wire()
    async with client(wire, Names([PUBLIC])) as http:
        await http.get("https://xn--bcher-kva.example/")

    assert wire.requests[0].headers["host"] == "xn--bcher-kva.example"
    assert wire.requests[0].extensions["sni_hostname"] == "xn--bcher-kva.example"


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    wire = Wire()
    async with client(wire, Names([PUBLIC])) as http:
        await http.get("https://example.com/")
    assert wire.tried == [PUBLIC]
