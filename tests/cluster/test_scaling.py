"""Scaling by hand on a real cluster: from the API through the store to Serve's controller."""

import httpx

from load_tests.benchmarks.common.local_serve import LocalServe
from tests.cluster.polling import eventually

BOUNDS = "/api/v1/scaling/elastic/bounds"


async def test_a_floor_raises_replicas_live_and_shows_why(
    cluster: LocalServe, client: httpx.AsyncClient
) -> None:
    async def elastic() -> dict[str, object]:
        status = (await client.get("/api/v1/scaling/status")).raise_for_status().json()
        assert (status["away"], status["ingress_replicas"]) == ([], 2)
        return next(each for each in status["deployments"] if each["model"] == "elastic")

    async def ready(count: int) -> bool:
        status = await elastic()
        queue = status["queue"]
        assert isinstance(queue, dict)
        return (status["ready"], queue["replicas"]) == (count, count)

    await eventually(lambda: ready(1))
    (await client.put(BOUNDS, json={"floor": 2})).raise_for_status()
    await eventually(lambda: ready(2), timeout_s=30)
    (await client.delete(BOUNDS)).raise_for_status()
    await eventually(lambda: ready(1), timeout_s=30)

    history = await client.get("/api/v1/scaling/history", params={"deployment": "elastic"})
    changes = [(each["before"], each["target"]) for each in history.json()["data"]]
    assert (1, 2) in changes
    [raised] = [each for each in history.json()["data"] if each["target"] == 2 != each["before"]]
    assert raised["bound"] == "floor"
