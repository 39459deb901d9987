"""A changed configuration, and a restart, roll over a cluster under load and nobody notices.

The real launcher, two ingress replicas and two of each model; unary requests and streams of some
seconds are open all the while, through HAProxy. Figures are printed.
"""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

import httpx
import psutil
import pytest
import yaml

from cluster.ops.ports import BLOCK
from cluster.ops.processes import cluster_processes
from load_tests.benchmarks.common.mobula_command import MobulaCommand
from tests.cluster.polling import eventually

SENDERS, PACE_S = 4, 0.04
STREAM_S, TOKENS_PER_S = 5, 20
MODEL = {"engine": "echo", "num_cpus": 0.05, "replicas": 2}
ARGS = {
    "models": [{**MODEL, "id": "echo"}, {**MODEL, "id": "slow", "tokens_per_second": TOKENS_PER_S}],
    "ingress": {"replicas": 2, "num_cpus": 0.05},
    "limiter": {"num_cpus": 0.05},
    "cache": {"num_cpus": 0.05},
    "video": {"enabled": False},
    "text": {"enabled": False},
}
# Both models want four replicas for their load, and there are cores for five.
RIVAL = {"engine": "echo", "num_cpus": 0.05, "tokens_per_second": 1}
SCALING = {"max_replicas": 4, "target_requests": 1, "cold_start_s": 1}
RIVALS = [
    {**RIVAL, "id": "chat", "scaling": {**SCALING, "priority": 90}},
    {**RIVAL, "id": "batch", "scaling": {**SCALING, "priority": 10}},
]
FOR_FIVE = {
    "policy_function": "cluster.autoscaling.serve_policy:ClusterPolicy",
    "policy_kwargs": {"cpus": 0.25},
}


@dataclass
class Cluster(MobulaCommand):
    """What the tests send to, and how they deploy."""

    key: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports.http}"

    def config(
        self, policy: object = None, deployments: Sequence[object] = (), **args: object
    ) -> str:
        """`deployments` are options of single deployments."""
        app = {
            "name": "mobula", "route_prefix": "/", "import_path": "graphs.app:build",
            "args": {**ARGS, **args}, **({"autoscaling_policy": policy} if policy else {}),
            **({"deployments": list(deployments)} if deployments else {}),
        }  # fmt: skip
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump({"proxy_location": "HeadOnly", "applications": [app]}))
        return str(path)

    async def deploy(self, *options: str, **args: object) -> tuple[int, str]:
        command = ("deploy", "--config", self.config(**args), *options)
        code, output = await asyncio.to_thread(self.run, *command)
        print(output)  # noqa: T201
        return code, output

    def replicas(self) -> frozenset[str]:
        """The addresses that ingress replicas listen on by themselves."""
        ports = range(self.ports.replicas, self.ports.replicas + BLOCK)
        found: set[str] = set()
        for process in cluster_processes(self.state().id):
            with contextlib.suppress(psutil.Error):
                for each in process.net_connections("tcp"):
                    if each.status == psutil.CONN_LISTEN and each.laddr.port in ports:
                        found.add(f"http://127.0.0.1:{each.laddr.port}")
        return frozenset(found)


@dataclass
class Traffic:
    """Requests as they went. `broken` streams did not end, or lacked something."""

    statuses: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0
    streams: int = 0
    broken: int = 0

    def assert_unnoticed(self) -> None:
        print(  # noqa: T201
            f"{self.statuses.total()} requests, {dict(self.statuses)}, slowest "
            f"{self.slowest_s:.2f} s; {self.streams} streams, {self.broken} broken"
        )
        assert set(self.statuses) == {200}
        assert self.statuses.total() > 100
        assert self.streams
        assert self.broken == 0


class Clients:
    """Half of the senders come over a new connection each time."""

    def __init__(self, cluster: Cluster) -> None:
        self._url = cluster.url
        self._headers = {"Authorization": f"Bearer {cluster.key}"}
        self._over = asyncio.Event()
        self.traffic = Traffic()

    @contextlib.asynccontextmanager
    async def busy(self) -> AsyncIterator[Traffic]:
        """Send all the while, and let streams end."""
        senders = [asyncio.create_task(self._send(fresh=i % 2 == 0)) for i in range(SENDERS)]
        streams = [asyncio.create_task(self._stream()) for _ in range(4)]
        await asyncio.sleep(0.5)
        try:
            yield self.traffic
        finally:
            self._over.set()
            await asyncio.gather(*senders, *streams)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self._url, headers=self._headers, timeout=60)

    async def _send(self, fresh: bool) -> None:
        async with self._client() as kept:
            while not self._over.is_set():
                began = time.monotonic()
                async with self._client() if fresh else contextlib.nullcontext(kept) as client:
                    self.traffic.statuses[await self._status(client)] += 1
                took = time.monotonic() - began
                self.traffic.slowest_s = max(self.traffic.slowest_s, took)
                await asyncio.sleep(PACE_S)

    async def _status(self, client: httpx.AsyncClient) -> int:
        body = {"model": "echo", "messages": [{"role": "user", "content": "one two"}]}
        try:
            return (await client.post("/v1/chat/completions", json=body)).status_code
        except httpx.TransportError:
            return 0

    async def _stream(self) -> None:
        """One after the other, each whole."""
        async with self._client() as client:
            while not self._over.is_set():
                self.traffic.streams += 1
                try:
                    whole = await self._is_whole(client)
                except httpx.TransportError:
                    whole = False
                self.traffic.broken += not whole

    async def _is_whole(self, client: httpx.AsyncClient) -> bool:
        text = "x" * (STREAM_S * TOKENS_PER_S)
        body = {"model": "slow", "messages": [{"role": "user", "content": text}], "stream": True}
        got, last = "", ""
        async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            async for line in answer.aiter_lines():
                last = line.removeprefix("data: ") or last
                if last.startswith('{"id"') and line:
                    got += json.loads(last)["choices"][0]["delta"].get("content") or ""
        return (got, last) == (text, "[DONE]")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster.create_temporary(tmp_path_factory.mktemp("roll")) as found:
        code, output = found.run("up", "-d", "--config", found.config())
        assert code == 0, output
        found.key = (found.home / "admin.key").read_text().strip()
        yield found
        assert found.run("down")[0] == 0


@contextlib.asynccontextmanager
async def watched(places: frozenset[str]) -> AsyncIterator[dict[str, list[int]]]:
    """What `/readyz` of each replica says at its own port, until it listens no longer."""
    seen: dict[str, list[int]] = {place: [] for place in places}

    async def watch(place: str) -> None:
        async with httpx.AsyncClient(base_url=place, timeout=5) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    seen[place].append((await client.get("/readyz")).status_code)
                await asyncio.sleep(0.1)

    watching = [asyncio.create_task(watch(place)) for place in places]
    try:
        yield seen
    finally:
        for task in watching:
            task.cancel()
        await asyncio.wait(watching)


async def test_a_restart_rolls_unnoticed(cluster: Cluster) -> None:
    before = await asyncio.to_thread(cluster.replicas)

    async with Clients(cluster).busy() as traffic:
        code, output = await cluster.deploy("--restart", "slow")

    traffic.assert_unnoticed()
    assert code == 0
    assert "2 replicas replaced" in output, "a restart is of the named model alone"
    assert before == await asyncio.to_thread(cluster.replicas)


@pytest.mark.exhaustive
async def test_links_of_different_features_mix_and_roll_unnoticed(cluster: Cluster) -> None:
    """In each roll both kinds serve side by side: of model replicas first, of ingress then."""

    def without(feature: str, *deployments: str) -> list[object]:
        environment = {"env_vars": {"MOBULA_LINK_FEATURES_OFF": feature}}
        options = {"num_cpus": 0.05, "runtime_env": environment}
        return [{"name": name, "ray_actor_options": options} for name in deployments]

    models, ingress = ("Model:echo", "Model:slow"), ("Ingress",)
    async with Clients(cluster).busy() as traffic:
        rolls = [
            await cluster.deploy(deployments=deployments)
            for deployments in (
                without("join", *models),
                [*without("join", *models), *without("accept", *ingress)],
                [*without("join,accept", *models), *without("accept", *ingress)],
                [*without("join,accept", *models), *without("join", *ingress)],
            )
        ]

    traffic.assert_unnoticed()
    assert [code for code, _ in rolls] == [0] * len(rolls)
    for (_, output), replaced in zip(rolls, (4, 2, 4, 2), strict=True):
        assert f"{replaced} replicas replaced" in output
    headers = {"Authorization": f"Bearer {cluster.key}"}
    async with httpx.AsyncClient(base_url=cluster.url, headers=headers) as client:
        models_health = (await client.get("/health")).raise_for_status().json()["models"]
    assert {name: each["calls"]["links"]["links"] for name, each in models_health.items()} == {
        "echo": 2,
        "slow": 2,
    }


@pytest.mark.exhaustive
async def test_a_changed_configuration_rolls_unnoticed(cluster: Cluster) -> None:
    first = await asyncio.to_thread(cluster.replicas)

    async with Clients(cluster).busy() as traffic:
        async with watched(first) as seen:
            code, _ = await cluster.deploy(ingress={"replicas": 2, "num_cpus": 0.06})
        second = await asyncio.to_thread(cluster.replicas)

    traffic.assert_unnoticed()
    assert code == 0
    assert not first & second, "every ingress replica is a new one"
    assert {place: statuses[-1] for place, statuses in seen.items()} == dict.fromkeys(first, 503)


def test_what_is_wrong_is_said_before_anything_is_sent(cluster: Cluster) -> None:
    wrong = {**ARGS["ingress"], "replicas": 0}  # type: ignore[dict-item]

    code, output = cluster.run("deploy", "--config", cluster.config(ingress=wrong))

    assert code == 1
    assert output == "error: args.ingress.replicas: Input should be greater than or equal to 1\n"


@pytest.mark.exhaustive
async def test_models_that_are_added_share_the_cores_that_there_are_by_priority(
    cluster: Cluster,
) -> None:
    code, _ = await cluster.deploy(policy=FOR_FIVE, models=[*ARGS["models"], *RIVALS])  # type: ignore[misc]
    assert code == 0

    headers = {"Authorization": f"Bearer {cluster.key}"}
    async with httpx.AsyncClient(base_url=cluster.url, headers=headers, timeout=120) as client:

        async def ready() -> dict[str, int]:
            found = (await client.get("/api/v1/scaling/status")).raise_for_status().json()
            return {each["model"]: each["ready"] for each in found["deployments"]}

        async def shared(**replicas: int) -> bool:
            return replicas.items() <= (await ready()).items()

        await eventually(lambda: shared(chat=1, batch=1), timeout_s=30)
        load = [asyncio.create_task(ask(client, name)) for name in ("chat", "batch") * 4]
        await eventually(lambda: shared(chat=4, batch=1), timeout_s=30)
        for task in load:
            task.cancel()
        await asyncio.wait(load)

        history = await client.get("/api/v1/scaling/history", params={"deployment": "batch"})
    assert "arbiter" in {each["bound"] for each in history.json()["data"]}


async def ask(client: httpx.AsyncClient, model: str) -> None:
    """Open for two minutes, unless it is given up."""
    body = {"model": model, "messages": [{"role": "user", "content": "x" * 120}]}
    await client.post("/v1/chat/completions", json=body)
