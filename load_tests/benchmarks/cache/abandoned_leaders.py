"""Followers of leaders that give up: whether they get the whole answer all the same.

In: where a cluster is, a key, and a slow echo model, whose answer to a prompt is the prompt. Out:
counts. Each leader asks what nobody has asked before; a follower asks the same while that is
computed; then the leader closes its connection, resets it, or runs out of time.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import httpx

from load_tests.benchmarks.cache.coalescing import read_stream_text
from load_tests.benchmarks.cache.context import CHAT, auth_headers, chat_body

Leaving = Literal["closes", "resets", "is late"]
LEAVING: tuple[Leaving, ...] = get_args(Leaving)

JOIN_S = (0.05, 0.6)  # after the leader has asked
LEAVE_S = (0.0, 0.6)  # after the follower has asked
PATIENCE_S = 60.0
FILLING = "and so on " * 4


@dataclass(frozen=True)
class LeaderAndFollower:
    """One leader and its follower: whose answer is streamed, and how the leader gives up."""

    prompt: str
    leader_streams: bool
    follower_streams: bool
    leaving: Leaving
    join_s: float
    leave_s: float

    @property
    def name(self) -> str:
        return f"{'stream' if self.follower_streams else 'whole'}, leader {self.leaving}"


@dataclass
class FollowerOutcome:
    """`right` followers' answers; `wrong` says what came instead; `computations` by the model."""

    right: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    computations: int = 0


def make_pairs(count: int, seed: str) -> list[LeaderAndFollower]:
    """Every way to give up, of whole answers and streams in turn, at random moments."""
    rng = random.Random(seed)
    kinds = [(one, other, how) for how in LEAVING for one in (0, 1) for other in (0, 1)]
    pairs = []
    for number in range(count):
        leader, follower, leaving = kinds[number % len(kinds)]
        prompt = f"{seed} {number} {FILLING}"
        moments = rng.uniform(*JOIN_S), rng.uniform(*LEAVE_S)
        pairs.append(LeaderAndFollower(prompt, bool(leader), bool(follower), leaving, *moments))
    return pairs


async def follow_abandoned(
    url: str, key: str, model: str, pairs: Sequence[LeaderAndFollower], at_once: int
) -> FollowerOutcome:
    """Run the pairs, so many at a time."""
    outcome, door = FollowerOutcome(), asyncio.Semaphore(at_once)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        headers=auth_headers(key), limits=limits, timeout=PATIENCE_S
    ) as client:
        before = await _submitted(client, url, model)

        async def run(pair: LeaderAndFollower) -> None:
            async with door:
                text = await _follow(client, url, key, model, pair)
            if text == pair.prompt:
                outcome.right[pair.name] += 1
            else:
                outcome.wrong.append(f"{pair.name}: {text[:200]!r}")

        await asyncio.gather(*map(run, pairs))
        outcome.computations = await _submitted(client, url, model) - before
    return outcome


async def _follow(
    client: httpx.AsyncClient, url: str, key: str, model: str, pair: LeaderAndFollower
) -> str:
    """What the follower is answered, or how it failed."""
    leading = asyncio.create_task(_lead(url, key, model, pair))
    await asyncio.sleep(pair.join_s)
    try:
        body = chat_body(pair.prompt, model, stream=pair.follower_streams)
        return await read_stream_text(client, url, body)
    except httpx.HTTPStatusError as error:
        return f"{error.response.status_code} {error.response.headers.get('content-type')}"
    except (httpx.TransportError, EOFError) as error:
        return repr(error)
    finally:
        await leading


async def _lead(url: str, key: str, model: str, pair: LeaderAndFollower) -> None:
    """Ask, and give up in the middle."""
    leave_s = pair.join_s + pair.leave_s
    fields: dict[str, Any] = auth_headers(key)
    if pair.leaving == "is late":
        fields["Mobula-Timeout"] = f"{leave_s:.3f}"
    payload = json.dumps(chat_body(pair.prompt, model, stream=pair.leader_streams)).encode()
    parts = urlsplit(url)
    fields |= {"Host": parts.netloc, "Content-Length": len(payload), "Connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"POST {CHAT} HTTP/1.1\r\n{head}\r\n".encode() + payload)
    try:
        async with asyncio.timeout(PATIENCE_S if pair.leaving == "is late" else leave_s):
            await reader.read()
    except (TimeoutError, OSError):
        pass
    finally:
        if pair.leaving == "resets":
            writer.transport.abort()
        writer.close()


async def _submitted(client: httpx.AsyncClient, url: str, model: str) -> int:
    health = (await client.get(f"{url}/health")).raise_for_status()
    return int(health.json()["models"][model]["load"]["submitted"])
