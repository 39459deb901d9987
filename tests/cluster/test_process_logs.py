"""Logs of a real cluster: one request in the files, levels that reach every process."""

import httpx
from ray import serve

from cluster.logs.process_log import FOLDER
from cluster.logs.reader import LogFilter, read_lines
from load_tests.benchmarks.common.local_serve import LocalServe
from tests.cluster.polling import eventually

LEVELS = "/api/v1/logs/levels"


async def test_a_request_is_found_in_the_files(
    cluster: LocalServe, client: httpx.AsyncClient
) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": "find me"}]}
    headers = {"X-Request-ID": "req-of-the-log-test"}
    answer = await client.post("/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200

    def operations() -> list[object]:
        wanted = LogFilter(request="req-of-the-log-test")
        lines = read_lines(cluster.home / FOLDER, wanted)
        return [line.values["operation"] for line in lines if line.process == "access"]

    await eventually(lambda: operations() == ["chat"])


async def test_a_level_reaches_every_process_and_is_taken_back(client: httpx.AsyncClient) -> None:
    deployments = list(serve.status().applications["mobula"].deployments)
    assert {"Ingress", "Limiter", "Limiter-1", "Clipper"} <= set(deployments)

    async def levels() -> set[str]:
        """What is known by one replica of each deployment; empty: nothing."""
        found = set()
        for name in deployments:
            handle = serve.get_deployment_handle(name, "mobula")
            rows = await handle.log_levels.remote([])
            found.add(",".join(row["level"] for row in rows) or "none")
        return found

    changed = {"logger": "mobula.jobs", "level": "DEBUG", "for_s": 120}
    assert (await client.put(LEVELS, json=changed)).status_code == 200

    async def reached() -> bool:
        return await levels() == {"DEBUG"}

    await eventually(reached)

    assert (await client.delete(f"{LEVELS}?logger=mobula.jobs")).status_code == 204
    assert (await client.get(LEVELS)).json()["data"] == []
