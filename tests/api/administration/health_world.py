"""Health checks of an application that has none, and no other replicas."""

from dataclasses import dataclass
from typing import Any

from cluster.health.dependency import Dependency
from cluster.runtime.clock import Clock


@dataclass
class NothingChecked:
    clock: Clock
    node: str = "127.0.0.1"

    def collect(self) -> list[Dependency]:
        return []

    async def close(self) -> None: ...


class NoPeers:
    async def ask(self, method: str, *arguments: Any) -> list[Any]:
        return []
