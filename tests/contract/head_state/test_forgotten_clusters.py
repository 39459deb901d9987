"""What is left in a Redis of a cluster that was ended for good."""

import redis

from cluster.ops.gcs_store import GcsStore
from tests.servers.redis_server import RedisServer


def test_a_cluster_is_forgotten_and_its_neighbours_are_not(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        for key in ("RAYone@NODE", "RAYone@KV", "RAYoneandmore@NODE", "RAYtwo@NODE", "mobula:x"):
            client.hset(key, "field", "value")

        removed = GcsStore(redis_server.url, "one").forget()

        assert removed == 2
        assert set(client.keys()) == {b"RAYoneandmore@NODE", b"RAYtwo@NODE", b"mobula:x"}
