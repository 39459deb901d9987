"""A private Redis Cluster: a few masters on free ports, and replicas if they are wanted."""

from bisect import bisect_right
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import redis
from redis.crc import key_slot

from tests.servers.process import free_port, wait_until
from tests.servers.redis_server import RedisServer

SLOTS = 16_384
MASTERS = 3
BOUNDS = [number * SLOTS // MASTERS for number in range(MASTERS + 1)]
OPTIONS = {
    "--cluster-enabled": "yes",
    "--cluster-node-timeout": "1000",
    "--cluster-require-full-coverage": "no",
}


class RedisClusterServers:
    """Use as a context manager. `url` names every node; slots are divided in the masters' order."""

    def __init__(self, replicas: int = 0) -> None:
        """So many `replicas`, of the first master."""
        options = [
            {**OPTIONS, "--cluster-port": str(free_port())} for _ in range(MASTERS + replicas)
        ]
        self.nodes = [RedisServer(each) for each in options]
        self.masters, self.replicas = self.nodes[:MASTERS], self.nodes[MASTERS:]
        self._buses = [each["--cluster-port"] for each in options]
        self._servers = ExitStack()

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis+cluster://{hosts}"

    def __enter__(self) -> Self:
        with ExitStack() as servers:
            for node in self.nodes:
                servers.enter_context(node)
            self._join()
            self._servers = servers.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._servers.close()

    def flush(self) -> None:
        """Forget every key and script."""
        for node in self.masters:
            node.flush()

    def owner(self, key: str) -> RedisServer:
        """The master that was given the key's slot at the start."""
        return self.masters[bisect_right(BOUNDS, key_slot(key.encode())) - 1]

    def move_slot(self, key: str, to: RedisServer) -> None:
        """Give the key's slot, in which there is no key, to another master."""
        slot, owner = key_slot(key.encode()), call(to, "CLUSTER", "MYID")
        for node in self.masters:
            call(node, "CLUSTER", "SETSLOT", slot, "NODE", owner)

    def take_over(self) -> None:
        """The first replica becomes the master of its slots, whatever the master does."""
        call(self.replicas[0], "CLUSTER", "FAILOVER", "TAKEOVER")

    def _join(self) -> None:
        for number, node in enumerate(self.masters):
            call(node, "CLUSTER", "ADDSLOTSRANGE", BOUNDS[number], BOUNDS[number + 1] - 1)
            call(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node, bus in zip(self.nodes, self._buses, strict=True):
            call(self.nodes[0], "CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        wait_until(lambda: all(self._is_joined(node) for node in self.nodes), "the nodes to meet")
        first = call(self.nodes[0], "CLUSTER", "MYID")
        for node in self.replicas:
            call(node, "CLUSTER", "REPLICATE", first)
        wait_until(lambda: all(self._follows(node) for node in self.replicas), "the replicas")

    def _is_joined(self, node: RedisServer) -> bool:
        info = call(node, "CLUSTER", "INFO")
        size, known = f"cluster_size:{MASTERS}", f"cluster_known_nodes:{len(self.nodes)}"
        return all(word in info for word in ("cluster_state:ok", size, known))

    def _follows(self, node: RedisServer) -> bool:
        return "master_link_status:up" in call(node, "INFO", "replication")


def call(node: RedisServer, *words: Any) -> str:
    """The reply of one node, as text."""
    with redis.Redis.from_url(node.url, decode_responses=True) as client:
        client.response_callbacks.clear()
        return str(client.execute_command(*words))
