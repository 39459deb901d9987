"""Shared vectors: random histories that Redis must answer as the Python arithmetic does.

Redis runs by its own clock, so the histories use rates at which a test's length refills nothing,
and hold everything else: lost replies, late requests, refunds, overdrafts, several replicas and
kinds. The fixed ones lie in vectors.json, each with the answers that both must give.
"""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from cluster.runtime.clock import ManualClock
from deployments.contracts.limits import Authority, BucketKind, BucketSpec, LeaseRequest
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.authority.redis import RedisAuthority
from tests.contract.limiter.conftest import Subject
from tests.servers.redis_server import RedisServer

VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("vectors.json").read_text())
TTL_S = 30.0


def spec_of(kind: str, capacity: int, spent: int) -> BucketSpec:
    return BucketSpec(f"t|{kind}", BucketKind(kind), capacity, 1e-9, 2e9, spent)


async def answers(authority: Authority, history: list[dict[str, Any]]) -> list[list[Any]]:
    """credits, level, known and elsewhere for each ask."""
    epoch, found = "", []
    for entry in history:
        fields = dict(entry)
        replica = fields.pop("replica")
        spec = spec_of(fields.pop("kind"), fields.pop("capacity"), fields.pop("spent", 0))
        exchange = await authority.exchange(replica, epoch, TTL_S, [LeaseRequest(spec, **fields)])
        epoch = exchange.epoch
        grant = exchange.grants[0]
        found.append([grant.credits, grant.level, grant.known, grant.elsewhere])
    return found


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
async def test_vector(subject: Subject, vector: dict[str, Any]) -> None:
    given = await answers(subject.authority, vector["requests"])
    assert [answer[:3] for answer in given] == vector["answers"]


def history(rng: random.Random, length: int = 60) -> list[dict[str, Any]]:
    acked: dict[tuple[str, str], int] = {}
    requests = []
    capacity = {kind: rng.choice([1, 5, 40, 1000]) for kind in ("rate", "budget", "slots")}
    for number in range(1, length + 1):
        kind, replica = rng.choice(["rate", "budget", "slots"]), rng.choice("abc")
        need = rng.choice([0, 0, 1, 1, 3, 20])
        waiting = need + rng.choice([0, 0, 2]) if need else 0
        late = rng.random() < 0.1
        requests.append(
            {
                "replica": replica,
                "kind": kind,
                "capacity": capacity[kind],
                "spent": rng.choice([-1, 0, 2]),
                "number": max(1, number - rng.randrange(9)) if late else number,
                "acked": acked.get((kind, replica), 0),
                "holding": rng.choice([0, 0, 1, 4]),
                "adjust": rng.choice([0, 0, 0, 2, -3]),
                "need": need,
                "waiting": waiting,
                "want": waiting + rng.choice([0, 0, 5, 100]),
            }
        )
        if rng.random() < 0.8:
            acked[(kind, replica)] = number
    return requests


@pytest.mark.parametrize("seed", range(30))
async def test_redis_answers_any_history_as_memory_does(
    redis_server: RedisServer, seed: int
) -> None:
    requests = history(random.Random(seed))
    redis = RedisAuthority(redis_server.url, timeout_s=5.0)
    try:
        by_redis = await answers(redis.locate("t"), requests)
    finally:
        await redis.close()

    assert by_redis == await answers(MemoryAuthority(ManualClock()), requests)
