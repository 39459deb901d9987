"""`./mobula bench nodes`: a cluster of three Ray nodes on this machine loses its head, then a node.

The head runs no replicas and keeps its state in a Redis. While it is away, requests go on at the
proxies of the others; then it is started again and must take over: a replica that is killed is
replaced. Then the node that makes clips is killed under the same load. Requests are never sent
again, so what fails has failed; those at the lost node's own proxy count apart.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from cluster.cli.requirements import MissingRequirement, require_program
from cluster.cli.test_servers import find_program
from cluster.ops.environment import NODE_LOST_S
from cluster.ops.gcs_store import GcsStore
from load_tests.benchmarks.common.local_nodes import LocalNode, LocalNodes
from load_tests.benchmarks.common.measurement import Measurement, all_met, build_table
from load_tests.benchmarks.common.redis_process import RedisProcess
from load_tests.benchmarks.faults.node_jobs import ClipJobs
from load_tests.benchmarks.faults.node_traffic import TrafficRecord, run_traffic
from load_tests.machine import describe_machine

MODEL = "Model:echo"
MODELS = 4
NOTICED_S = 2.0  # for Serve to act once Ray has given a node up
WARM_S, AFTER_S = 3.0, 10.0


def main(argv: Sequence[str] | None = None) -> int:
    options, console = _options(argv), Console()
    machine = describe_machine()
    with RedisProcess() as redis, _store() as store:
        nodes = LocalNodes(2, gcs=GcsStore(redis.url, "bench"), MOBULA_DATABASE_URL=store.url)
        with nodes:
            console.print("three nodes are up; deploying ...")
            nodes.deploy(build_args(MODELS))
            measurements = asyncio.run(_measure(nodes, options, console))
    console.print(build_table(measurements))
    if options.json:
        rows = [measurement.to_dict() for measurement in measurements]
        report = {"benchmark": "nodes", "machine": machine, "figures": rows}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all_met(measurements) else 1


def build_args(models: int) -> dict[str, Any]:
    """AppArgs: fast answers, an ingress replica for each of two nodes, one maker of clips."""
    return {
        "models": [{"id": "echo", "engine": "echo", "num_cpus": 0.1, "replicas": models}],
        "ingress": {"num_cpus": 0.1, "replicas": 2},
        "limiter": {"authority": "embedded"},
        "video": {"replicas": 1, "gpu": False},
    }


async def _measure(
    nodes: LocalNodes, options: argparse.Namespace, console: Console
) -> list[Measurement]:
    spread = nodes.spread(MODEL)
    console.print(f"replicas: {spread}")
    console.print("killing the head ...")
    head = await measure_head_loss(nodes, options.away)
    console.print("killing the node that makes clips ...")
    node = await measure_node_loss(nodes, options.jobs, options.seconds)
    return [
        Measurement(
            "spread", "fewest replicas on a worker", min(list(spread.values())[1:]), at_least=1
        ),
        *head,
        *node,
    ]


async def measure_head_loss(nodes: LocalNodes, away_s: float) -> list[Measurement]:
    """Requests while the head is away and while it comes back; how long until it acts again."""
    async with run_traffic([each.url for each in nodes.workers], nodes.key) as record:
        await asyncio.sleep(WARM_S)
        gone = time.monotonic()
        await asyncio.to_thread(nodes.head.kill)
        await asyncio.sleep(away_s)
        back = time.monotonic()
        await asyncio.to_thread(nodes.start_head)
        started = time.monotonic() - back
        await _until(nodes, nodes.head.has_controller)
        acting = time.monotonic() - back
        replaced = await _replaced(nodes)
    return [
        Measurement("head lost", "away", back - gone, "s"),
        *_traffic_measurements("head lost", record, gone, back),
        Measurement("head back", "its Ray started after", started, "s"),
        Measurement("head back", "Serve's controller runs after", acting, "s"),
        Measurement("head back", "a killed replica is replaced after", replaced, "s"),
        *_traffic_measurements("head back", record, back, back + acting),
    ]


async def _replaced(nodes: LocalNodes) -> float:
    os.kill(nodes.workers[0].replicas(MODEL)[0], signal.SIGKILL)
    began = time.monotonic()
    await _until(nodes, lambda: sum(nodes.spread(MODEL).values()) == MODELS)
    return time.monotonic() - began


@dataclass(frozen=True, slots=True)
class _Lost:
    """When the node was killed, and when every replica was back elsewhere."""

    at: float
    recovered: float


async def measure_node_loss(nodes: LocalNodes, jobs: int, seconds: int) -> list[Measurement]:
    """Requests before and after it is noticed; replicas and jobs that go on elsewhere."""
    victim = next(each for each in nodes.workers if each.replicas("Clipper"))
    survivors = [each for each in nodes.nodes if each is not victim]
    clip_jobs = ClipJobs(survivors[-1].url, nodes.key)
    with tempfile.TemporaryDirectory(prefix="m-") as folder:
        ordered = await asyncio.to_thread(clip_jobs.order, Path(folder), jobs, seconds)
    await asyncio.to_thread(clip_jobs.wait_until_running, ordered)
    async with run_traffic([each.url for each in nodes.nodes], nodes.key, callers=4) as record:
        await asyncio.sleep(WARM_S)
        lost = await _kill(nodes, victim)
        await asyncio.sleep(AFTER_S)
    ends = await asyncio.to_thread(clip_jobs.wait_for_results, ordered)
    resumed = [end for end in ends if end.attempts > 1]
    rows = _lost_figures(record, victim, lost)
    done = sum(end.state == "succeeded" for end in ends)
    return [
        *rows,
        Measurement("node lost", f"of {jobs} jobs succeeded", done, at_least=jobs),
        Measurement(
            "node lost", "of those, begun again elsewhere", len(resumed), at_least=min(1, jobs)
        ),
        Measurement("node lost", "the last job ended after", _last(ends, lost.at), "s"),
    ]


async def _kill(nodes: LocalNodes, victim: LocalNode) -> _Lost:
    wanted = sum(nodes.spread("").values())
    at = time.monotonic()
    await asyncio.to_thread(victim.kill)
    await _until(nodes, lambda: sum(nodes.spread("").values()) >= wanted)
    return _Lost(at, time.monotonic())


def _lost_figures(record: TrafficRecord, victim: LocalNode, lost: _Lost) -> list[Measurement]:
    own = [call for call in record.calls if call.url == victim.url]
    others = TrafficRecord([call for call in record.calls if call.url != victim.url])
    noticed = lost.at + NODE_LOST_S + NOTICED_S
    before = others.failures(lost.at - 1.0, noticed)  # open calls were sent before
    last = max((call.sent - lost.at for call in before), default=0.0)
    return [
        Measurement("node lost", f"failed in the first {noticed - lost.at:g} s", len(before)),
        Measurement("node lost", "the last of them sent after", last, "s"),
        *_traffic_measurements("node lost, noticed", others, noticed, float("inf")),
        Measurement("node lost", "slowest request", others.slowest_s(lost.at - 1.0), "s"),
        Measurement("node lost", "failed at its own proxy", sum(c.failed for c in own)),
        Measurement("node lost", "every replica is back after", lost.recovered - lost.at, "s"),
    ]


def _traffic_measurements(
    part: str, record: TrafficRecord, since: float, until: float
) -> list[Measurement]:
    return [
        Measurement(part, "answered", record.answered(since, until), at_least=1),
        Measurement(part, "failed", len(record.failures(since, until)), at_most=0),
    ]


def _last(ends: Sequence[Any], since: float) -> float:
    return max((end.at - since for end in ends), default=float("nan"))


async def _until(nodes: LocalNodes, holds: Any) -> None:
    await asyncio.to_thread(nodes.wait_for, holds, "the cluster to recover", 120.0)


def _store() -> Any:
    """A PostgreSQL of its own, as the tests have. Raises MissingRequirement."""
    require_program("initdb", "apt-get install postgresql", find_program)
    if find_spec("tests") is None:
        raise MissingRequirement("this needs a clone of the repository: its tests start PostgreSQL")
    from tests.servers.postgres import PostgresServer

    return PostgresServer()


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench nodes", description=__doc__)
    parser.add_argument("--away", type=float, default=20.0, help="seconds without a head")
    parser.add_argument("--jobs", type=int, default=2, help="of clips, while a node is lost")
    parser.add_argument("--seconds", type=int, default=60, help="of the recording for them")
    parser.add_argument("--json", type=Path, help="also write the report here")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
