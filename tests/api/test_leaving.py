"""A replica that is told to go says so at `/readyz`, and goes on serving until nothing is open."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import httpx
import pytest

from deployments.contracts.generation import ModelLoad
from deployments.contracts.scaling import DeploymentState, ServeSnapshot
from deployments.ingress.drain_status import DrainStatus, Server
from deployments.ingress.http.app import create_app
from deployments.ingress.scaling import ScalingOverview, ServedDeployments
from tests.api.fakes import WordsModel
from tests.api.web import MakeServices, client_of

HELLO = {"model": "words", "messages": [{"role": "user", "content": "hello"}]}


def server(status: int) -> tuple[DrainStatus, list[str]]:
    """A server that answers so about itself, and what it was asked."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(status, text="DRAINING" if status == 503 else "success")

    return DrainStatus(httpx.MockTransport(answer)), asked


async def test_readiness_turns_while_requests_are_still_answered(
    make_services: MakeServices,
) -> None:
    async def told(server: Server, host: str) -> bool:
        return True

    async with client_of(create_app(replace(make_services(), is_draining=told))) as client:
        ready = await client.get("/readyz")
        alive = await client.get("/healthz")
        served = await client.post("/v1/chat/completions", json=HELLO)

    assert ready.status_code == 503
    assert ready.json()["type"].endswith("draining")
    assert ready.headers["Retry-After"] == "1"
    assert (alive.status_code, served.status_code) == (200, 200)


@pytest.mark.parametrize(
    ("address", "host", "asked"),
    [
        (("127.0.0.1", 30001), "127.0.0.1:30001", "http://127.0.0.1:30001/-/healthz"),
        (("127.0.0.1", 30001), "node7:30001", "http://127.0.0.1:30001/-/healthz"),
        (("::1", 8000), "[::1]:8000", "http://[::1]:8000/-/healthz"),
    ],
)
async def test_the_server_of_the_request_is_asked(
    address: tuple[str, int], host: str, asked: str
) -> None:
    leaving, questions = server(503)

    assert await leaving.is_draining(address, host)
    assert questions == [asked]


@pytest.mark.parametrize(
    ("address", "host"),
    [
        pytest.param(("127.0.0.1", 30001), "127.0.0.1:8000", id="through the balancer"),
        pytest.param(("127.0.0.1", 30001), "mobula.example", id="by a name"),
        pytest.param(None, "x:1", id="no server"),
        pytest.param(("/run/app.sock", None), "x:1", id="a socket without a port"),
    ],
)
async def test_who_does_not_ask_for_this_replica_alone_is_answered_for_all(
    address: tuple[str, int | None] | None, host: str
) -> None:
    leaving, questions = server(503)

    assert not await leaving.is_draining(address, host)
    assert questions == []


@pytest.mark.parametrize("status", [404, 500, 200])
async def test_only_503_means_that_it_leaves(status: int) -> None:
    assert not await server(status)[0].is_draining(("127.0.0.1", 1), "127.0.0.1:1")


async def test_a_server_that_cannot_be_asked_is_taken_to_stay() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    leaving = DrainStatus(httpx.MockTransport(refuse))

    assert not await leaving.is_draining(("127.0.0.1", 1), "127.0.0.1:1")


async def test_a_server_that_has_said_it_leaves_and_listens_no_longer_leaves() -> None:
    last = [503]

    def answer(request: httpx.Request) -> httpx.Response:
        if last:
            return httpx.Response(last.pop())
        raise httpx.ConnectError("refused")

    leaving = DrainStatus(httpx.MockTransport(answer))

    assert await leaving.is_draining(("127.0.0.1", 1), "127.0.0.1:1")
    assert await leaving.is_draining(("127.0.0.1", 1), "127.0.0.1:1")


class Peers:
    """No other ingress replicas."""

    async def ask(self, method: str, *arguments: object) -> list[object]:
        return []


class Serve:
    """Says which deployments there are; None: it does not answer."""

    last_status = None

    def __init__(self, *names: str, answers: bool = True) -> None:
        state = {name: DeploymentState(name, "HEALTHY", "", 1) for name in names}
        self._sight = ServeSnapshot(0.0, state) if answers else None

    async def status(self) -> ServeSnapshot | None:
        return self._sight

    async def loads(self, deployments: Sequence[str]) -> Mapping[str, Sequence[ModelLoad]]:
        return {}

    async def count_answers(self, deployment: str) -> int:
        return 0


@pytest.mark.parametrize(
    ("serve", "status"),
    [
        pytest.param(Serve("Ingress"), 200, id="it was removed"),
        pytest.param(Serve("Ingress", "Model:words"), 503, id="it is not up"),
        pytest.param(Serve(), 503, id="a new version is being built"),
        pytest.param(Serve(answers=False), 503, id="Serve does not say"),
    ],
)
async def test_a_model_that_was_removed_is_not_waited_for(
    make_services: MakeServices, model: WordsModel, serve: Serve, status: int
) -> None:
    model.up = False
    services = make_services()
    scaling = ScalingOverview(
        ServedDeployments({"words": "Model:words"}),
        serve,
        Peers(),
        services.clock,
        replica_statuses=lambda _: {},
        call_stats=dict,
        open_calls=int,
    )

    async with client_of(create_app(replace(services, scaling=scaling))) as client:
        ready = await client.get("/readyz")

    assert ready.status_code == status
    assert "words" not in ready.json().get("models", []) or status == 503
