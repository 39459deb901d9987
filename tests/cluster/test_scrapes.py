"""A scrape of a cluster some of whose replicas do not answer."""

import os
import re
import signal

import httpx

from load_tests.benchmarks.common.local_serve import LocalServe
from tests.cluster.polling import eventually


def figure(text: str, name: str) -> float:
    [value] = re.findall(rf"^{re.escape(name)} (\S+)$", text, re.M)
    return float(value)


async def test_a_frozen_replica_costs_a_scrape_a_second_and_no_other_series(
    client: httpx.AsyncClient, cluster: LocalServe
) -> None:
    [pid, *_] = cluster.replicas("Model:echo")
    (await client.get("/metrics")).raise_for_status()
    os.kill(pid, signal.SIGSTOP)
    try:
        text = (await client.get("/metrics")).raise_for_status().text
    finally:
        os.kill(pid, signal.SIGCONT)

    assert figure(text, 'mobula_scrape_missing_replicas{deployment="Model:echo"}') == 1
    assert figure(text, 'mobula_scrape_missing_replicas{deployment="Ingress"}') == 0
    assert "\nmobula_running{" in text
    assert figure(text, "mobula_scrape_duration_seconds") < 2.0, "1 s, and what a busy machine adds"

    async def is_back() -> bool:
        text = (await client.get("/metrics")).text
        return figure(text, 'mobula_scrape_missing_replicas{deployment="Model:echo"}') == 0

    await eventually(is_back)


async def test_serve_s_replicas_nodes_and_dependencies_are_reported(
    client: httpx.AsyncClient,
) -> None:
    async def is_told() -> bool:
        text = (await client.get("/metrics")).raise_for_status().text
        wanted = (
            'mobula_deployment_replicas{deployment="Model:echo",state="ready"} 1',
            'mobula_deployment_target_replicas{deployment="Ingress"} ',
            'mobula_node_cpus{node="127.0.0.1"} ',
            'mobula_node_disk_free_bytes{node="127.0.0.1",disk="home"} ',
            'mobula_dependency_up{dependency="store",',
            "mobula_webhook_backlog{",
            "mobula_limit_exchange_seconds_count{",
            "mobula_engine_tokens_total{",
        )
        return all(f"\n{line}" in text for line in wanted)

    await eventually(is_told)
