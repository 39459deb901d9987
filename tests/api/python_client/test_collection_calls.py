"""Collections by the Python client over the application, with points in a real store."""

from dataclasses import replace

import httpx
import pytest

from cluster.idempotency.store import IdempotencyStore
from cluster.runtime.clock import SystemClock
from deployments.ingress.http.app import create_app
from mobula_client import AsyncMobula, Conflict, NotFound
from tests.api.administration.conftest import new_world, seed, world
from tests.api.administration.world import World

__all__ = ["new_world", "seed", "world"]


def client(world: World) -> AsyncMobula:
    """A developer's."""

    def secret_of(tenant: str) -> bytes:
        return tenant.encode().ljust(32, b"s")

    store = IdempotencyStore(world.database, secret_of, SystemClock())
    app = create_app(replace(world.services, idempotency=store))
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app))
    key = world.credentials["developer"]
    return AsyncMobula("http://mobula.test", key, http=http, max_retries=0)


async def test_points_are_stored_found_and_deleted(world: World) -> None:
    async with client(world) as mobula:
        made = await mobula.create_collection("drinks", model="letters")
        points = [{"id": "1", "text": "a cab"}, {"id": "2", "text": "dad", "payload": {"x": 1}}]
        stored = await mobula.put_points("drinks", points)
        found = await mobula.query_collection(made["id"], "cab", limit=1)
        by_vector = await mobula.query_collection("drinks", vector=[0, 0, 0, 1], mode="vector")
        gone = await mobula.delete_points("drinks", ["1"])
        matched = await mobula.delete_points("drinks", filter={"exists": "x"})
        with pytest.raises(Conflict):
            await mobula.create_collection("drinks")
        await mobula.delete_collection("drinks")
        with pytest.raises(NotFound):
            await mobula.query_collection("drinks", "cab")

    assert (stored["inserted"], gone["deleted"], matched["deleted"]) == (2, 1, 1)
    assert [each["text"] for each in found] == ["a cab"]
    assert by_vector[0]["id"] == "2"
