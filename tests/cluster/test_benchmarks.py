"""Benchmarks of a cluster come to a report: a request or two of each case, on the tier's cluster.

A benchmark starts a cluster of its own; here it gets the one that runs, and deploys only what that
one lacks. wrk is replaced by single requests: its own report is tested in unit tests. The commands
as they are run with --all (tests/chaos/test_benchmark_commands.py).
"""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import httpx
import pytest

from load_tests.benchmarks.against.figures import extract_figures
from load_tests.benchmarks.cache import bench_cache, speed
from load_tests.benchmarks.cache.context import CacheBenchmark
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.wrk import WrkResult
from load_tests.benchmarks.content import bench_batch
from load_tests.benchmarks.faults import bench_disconnects
from load_tests.benchmarks.speed import bench_compare, bench_path, bench_stream
from load_tests.benchmarks.speed.compare import contenders, targets

PLAN = "/api/v1/plans/default"


class SharedCluster:
    """Stands in for LocalServe: the running cluster, on which Mobula is deployed already."""

    def __init__(self, local: LocalServe) -> None:
        self._local = local
        self.deployed: set[str] = set()

    def __call__(self, **_: object) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """It goes on."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._local, name)

    def deploy_mobula(self, **_: object) -> str:
        return self._local.key

    def deploy_baselines(self) -> None:
        LocalServe.deploy_baselines(self)  # type: ignore[arg-type]

    def deploy_without_tenancy(self) -> None:
        LocalServe.deploy_without_tenancy(self)  # type: ignore[arg-type]

    def run_together(self, apps: Mapping[str, Any]) -> None:
        new = {name: app for name, app in apps.items() if name not in self.deployed}
        self.deployed |= {*new}
        if new:
            self._local.run_together(new)

    def run(self, app: Any, name: str, prefix: str) -> None:
        if name != "mobula" and name not in self.deployed:
            self.deployed.add(name)
            self._local.run(app, name, prefix)


def send_once(
    url: str, body: bytes, headers: Mapping[str, str], *, connections: int, **_: object
) -> WrkResult:
    """Stands in for wrk: one request."""
    began = time.perf_counter()
    answer = httpx.post(url, content=body, headers=dict(headers), timeout=30)
    took_s = time.perf_counter() - began
    return WrkResult(1 / took_s, 1e3 * took_s, 1e3 * took_s, answer.is_error, 1e3 * took_s)


@pytest.fixture(scope="module")
def shared(cluster: LocalServe) -> Iterator[SharedCluster]:
    """What benchmarks deploy and change is taken back at the end."""
    view = SharedCluster(cluster)
    headers = {"Authorization": f"Bearer {cluster.key}"}
    with httpx.Client(base_url=cluster.url, headers=headers, timeout=30) as client:
        plan = client.get(PLAN).raise_for_status().json()
        yield view
        client.put(PLAN, json=plan).raise_for_status()

    from ray import serve

    for name in view.deployed:
        serve.delete(name, _blocking=False)


@pytest.fixture
def on_shared_cluster(shared: SharedCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (bench_path, bench_stream, bench_cache, bench_compare):
        monkeypatch.setattr(module, "LocalServe", shared)
        monkeypatch.setattr(module, "require_wrk", lambda: "wrk")
    for module in (bench_path, bench_stream, bench_compare, speed):
        monkeypatch.setattr(module, "run_wrk", send_once)
    monkeypatch.setattr(CacheBenchmark, "deploy", lambda *_, **__: None)
    monkeypatch.setitem(targets.STREAM, "model", "echo")  # the paced one is not deployed
    assert contenders.STREAM is targets.STREAM


@pytest.mark.usefixtures("on_shared_cluster")
@pytest.mark.parametrize(
    ("module", "arguments", "expected"),
    [
        pytest.param(
            bench_path,
            "--rounds 1 --connections 2",
            "mobula-chat.requests_s",
            marks=pytest.mark.exhaustive,  # what it compares with has to be deployed
            id="path",
        ),
        pytest.param(
            bench_stream,
            "--rounds 1 --seconds 0.3 --connections 2 --tokens 8",
            "http_tokens_s",
            marks=pytest.mark.exhaustive,
            id="stream",
        ),
        pytest.param(
            bench_cache,
            "--part speed --rounds 1 --seconds 0.1",
            "speed.mobula-cached",
            id="cache",
        ),
        pytest.param(
            bench_compare,
            "--gateways none --rounds 1 --seconds 0.3 --connections 2",
            "stream.2.mobula.streams_s",
            marks=pytest.mark.exhaustive,
            id="compare",
        ),
        pytest.param(
            bench_compare,
            "--forward --gateways none --rounds 1 --seconds 0.3 --connections 2",
            "stream.2.their-echo-server-alone.chunks_s",
            marks=pytest.mark.exhaustive,
            id="compare, forwarding",
        ),
    ],
)
def test_a_tiny_run_comes_to_a_report(
    module: ModuleType, arguments: str, expected: str, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"

    assert module.main([*arguments.split(), "--json", str(report)]) == 0

    figures = extract_figures(json.loads(report.read_text()))
    assert figures[expected].value > 0
    errors = {key: each.value for key, each in figures.items() if key.endswith("errors")}
    assert errors
    assert set(errors.values()) == {0}


def test_every_abandoned_request_ends(
    shared: SharedCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench_disconnects, "LocalServe", shared)
    report = tmp_path / "report.json"

    bench_disconnects.main(["--clients", "6", "--model", "slow", "--json", str(report)])

    figures = extract_figures(json.loads(report.read_text()))
    assert figures["disconnects.slowest"].value > 0
    assert figures["disconnects.errors"].value == 0


def test_a_batch_that_is_cancelled_keeps_what_is_done(
    shared: SharedCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench_batch, "LocalServe", shared)
    report = tmp_path / "report.json"

    options = "--part cancelled --model slow --lines 100"
    bench_batch.main([*options.split(), "--json", str(report)])

    found = json.loads(report.read_text())
    assert found["cancelled"]["passed"], found


@pytest.mark.exhaustive
def test_a_batch_whose_workers_are_killed_has_each_line_once(
    shared: SharedCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench_batch, "LocalServe", shared)
    report = tmp_path / "report.json"

    options = "--model slow --lines 100 --kills 1 --megabytes 1 --rate 2 --seconds 1"
    bench_batch.main([*options.split(), "--json", str(report)])

    found = json.loads(report.read_text())
    assert (found["killed"]["kills"], found["killed"]["passed"]) == (1, True), found
    assert found["cancelled"]["passed"], found
