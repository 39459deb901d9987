"""What text analysis costs on a private cluster: latency, CPU by process, memory, and a killed
replica, for `./mobula bench content text`.

In: a LocalServe. Out: figures with targets. CPU is the processes' own less what they use without
requests, so neither the client nor anything else on the machine is in it. Calls that come one at a
time cost a process about twice what they cost among many: a chat that is answered at once stands
beside them. What an analysis costs the ingress's own code is measured by
`./mobula bench cpu --only analysis`, without the noise of the rest. A cost unit is what an input
token of the embedding model costs.
"""

import asyncio
import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx
import psutil

from deployments.text.analysis import default_operations
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.common.process_kinds import group_by_kind
from load_tests.benchmarks.content.planted_phrases import planted_posts

ANALYZE = "/api/v1/text/analyze"
COUNTED = ("statistics", "language", "readability", "pii", "hashtags")  # without vectors
CHEAP = ("statistics", "language", "readability", "sentiment", "pii", "hashtags")
CHARACTERS = 230
CLIENTS = 8  # while the replica is killed
RESTART_S = 15.0  # within which a killed replica is there again
PARTS = ("Ingress", "Text", "Model:minilm")
_DEADLINE_S = 30.0
_PART = "text"


@dataclass(frozen=True, slots=True)
class CostOptions:
    """`calls` are timed one after another; `rounds` compare so many calls as there are `texts` with
    one; the replica is killed under `load_s` seconds of load (0: not). `idle_s` measures what the
    processes use without requests."""

    calls: int = 200
    rounds: int = 5
    load_s: float = 25.0
    texts: int = 64
    idle_s: float = 3.0


def deploy_text(local: LocalServe) -> None:
    """The ingress, a model that answers at once, the embedding model, and Text."""
    from graphs.app import build
    from graphs.args import AppArgs

    args = {
        "models": [{"id": "echo", "engine": "echo", "num_cpus": 0.1}],
        "embeddings": [{"id": "minilm"}],
        "ingress": {"num_cpus": 0.1},
        "video": {"enabled": False},
    }
    local.run(build(AppArgs.model_validate(args)), "mobula", "/")


def measure_text_cost(
    local: LocalServe, options: CostOptions, log: Callable[[str], None]
) -> list[Measurement]:
    """Takes about a minute and `load_s`."""
    return asyncio.run(_TextCost(local, options, log).measure())


class _TextCost:
    def __init__(self, local: LocalServe, options: CostOptions, log: Callable[[str], None]) -> None:
        self._local = local
        self._options = options
        self._log = log
        self._posts = _posts(Random(7))
        headers = {"Authorization": f"Bearer {local.key}", "Cache-Control": "no-store"}
        self._client = httpx.AsyncClient(
            base_url=local.url, headers=headers, timeout=2 * _DEADLINE_S
        )

    async def measure(self) -> list[Measurement]:
        async with self._client:
            every = default_operations()
            await self._analyze(every, texts=[self._post() for _ in range(self._options.texts)])
            token_ms = await self._token_ms()
            figures = [
                Measurement(_PART, "CPU of a token in the embedding model", token_ms, "ms"),
                await self._chat_cost(),
            ]
            for name, operations, limit_ms in (("cheap", CHEAP, 30.0), ("all", every, 120.0)):
                self._log(f"{self._options.calls} calls, {name} operations")
                figures += await self._latency(name, operations, limit_ms, token_ms)
            figures += await self._latency("counted", COUNTED, None, token_ms)
            shares = (("counted", COUNTED, 0.3), ("cheap", CHEAP, None), ("all", every, 0.6))
            for name, operations, share in shares:
                self._log(f"many texts in one call beside as many calls, {name} operations")
                figures += await self._batch(name, operations, share)
            figures.append(
                Measurement(_PART, "memory of Text", self._rss_mib(), "MiB", at_most=400)
            )
            if self._options.load_s:
                self._log("kill -9 of Text under load")
                figures += await self._kill()
        return figures

    async def _token_ms(self) -> float:
        """CPU of the embedding model for each token, of texts as long as the posts."""
        idle, tokens = await self._idle_s(), 0
        before, since = self._cpu_s(), time.monotonic()
        for _ in range(self._options.calls // 2):
            body = {"model": "minilm", "input": [self._post()]}
            answer = await self._client.post("/v1/embeddings", json=body)
            answer.raise_for_status()
            tokens += answer.json()["usage"]["prompt_tokens"]
        spent = _above_idle(before, self._cpu_s(), idle, time.monotonic() - since)
        return 1000 * spent["Model:minilm"] / tokens

    async def _chat_cost(self) -> Measurement:
        """What any call costs the ingress, one at a time."""
        idle, calls = await self._idle_s(), self._options.calls
        before, since = self._cpu_s(), time.monotonic()
        for _ in range(calls):
            message = {"role": "user", "content": self._post()}
            body = {"model": "echo", "messages": [message]}
            (await self._client.post("/v1/chat/completions", json=body)).raise_for_status()
        spent = _above_idle(before, self._cpu_s(), idle, time.monotonic() - since)
        label = "CPU of Ingress a chat that is answered at once"
        return Measurement(_PART, label, 1000 * spent["Ingress"] / calls, "ms")

    async def _latency(
        self, name: str, operations: Sequence[str], limit_ms: float | None, token_ms: float
    ) -> list[Measurement]:
        idle = await self._idle_s()
        before, since = self._cpu_s(), time.monotonic()
        times = []
        for _ in range(self._options.calls):
            began = time.monotonic()
            await self._analyze(operations, text=self._post())
            times.append(1000 * (time.monotonic() - began))
        spent = _above_idle(before, self._cpu_s(), idle, time.monotonic() - since)
        quantiles = statistics.quantiles(times, n=20)
        call = f"{name} operations"
        by_part = [
            Measurement(
                _PART, f"CPU of {part} a call, {call}", 1000 * spent[part] / len(times), "ms"
            )
            for part in PARTS
        ]
        units = 1000 * sum(spent.values()) / len(times) / CHARACTERS / token_ms
        return [
            Measurement(_PART, f"p50, {call}", statistics.median(times), "ms"),
            Measurement(_PART, f"p95, {call}", quantiles[-1], "ms", at_most=limit_ms),
            *by_part,
            Measurement(_PART, f"cost units a character, {call}", units),
        ]

    async def _batch(
        self, name: str, operations: Sequence[str], share: float | None
    ) -> list[Measurement]:
        """Rounds in turn; the CPU of all parts together."""
        idle, texts = await self._idle_s(), self._options.texts
        single, together = [], []
        for _ in range(self._options.rounds):
            posts = [self._post() for _ in range(2 * texts)]
            single.append(await self._spent(idle, operations, [[post] for post in posts[:texts]]))
            together.append(await self._spent(idle, operations, [posts[texts:]]))
        ratio = statistics.median(
            both / max(each, 1e-9) for each, both in zip(single, together, strict=True)
        )
        label = f"CPU of {texts} texts in one call beside {texts} calls, {name} operations"
        return [Measurement(_PART, label, ratio, "", at_most=share)]

    async def _spent(
        self, idle: Mapping[str, float], operations: Sequence[str], calls: Sequence[Sequence[str]]
    ) -> float:
        before, since = self._cpu_s(), time.monotonic()
        for texts in calls:
            await self._analyze(operations, texts=list(texts))
        spent = _above_idle(before, self._cpu_s(), idle, time.monotonic() - since)
        return sum(spent.values())

    async def _kill(self) -> list[Measurement]:
        """Clients that call without pause; in the middle the only replica is killed."""
        statuses: Counter[str] = Counter()
        longest, until = 0.0, time.monotonic() + self._options.load_s

        async def call() -> None:
            nonlocal longest
            while (began := time.monotonic()) < until:
                answer = await self._client.post(
                    ANALYZE,
                    json={"text": self._post(), "operations": CHEAP},
                    headers={"Mobula-Timeout": str(_DEADLINE_S)},
                )
                told = "with Retry-After" if "retry-after" in answer.headers else ""
                statuses[f"{answer.status_code} {told}".strip()] += 1
                longest = max(longest, time.monotonic() - began)

        clients = [asyncio.create_task(call()) for _ in range(CLIENTS)]
        await asyncio.sleep(self._options.load_s / 5)
        for process in group_by_kind(self._local.processes()).get("Text", ()):
            os.kill(process.pid, signal.SIGKILL)
        await asyncio.gather(*clients)
        good = statuses.pop("200", 0)
        refused = statuses.pop("503 with Retry-After", 0)
        return [
            Measurement(_PART, "answered while Text is killed", good, "", at_least=1),
            Measurement(_PART, "refused with 503 and Retry-After", refused),
            Measurement(_PART, "answered otherwise", sum(statuses.values()), "", at_most=0),
            Measurement(_PART, "longest call", longest, "s", at_most=RESTART_S + 5),
        ]

    async def _analyze(self, operations: Sequence[str], **texts: Any) -> None:
        answer = await self._client.post(ANALYZE, json={"operations": operations, **texts})
        answer.raise_for_status()

    async def _idle_s(self) -> dict[str, float]:
        """CPU seconds a second without requests."""
        before = self._cpu_s()
        await asyncio.sleep(self._options.idle_s)
        after = self._cpu_s()
        return {part: (after[part] - before[part]) / self._options.idle_s for part in PARTS}

    def _cpu_s(self) -> dict[str, float]:
        """CPU seconds so far."""
        kinds = group_by_kind(self._local.processes())
        return {part: sum(map(_seconds, kinds.get(part, ()))) for part in PARTS}

    def _rss_mib(self) -> float:
        processes = group_by_kind(self._local.processes())["Text"]
        return float(sum(each.memory_info().rss for each in processes) / 2**20)

    def _post(self) -> str:
        """Another one each time: nothing of it is remembered."""
        return next(self._posts)


def _posts(rng: Random) -> Any:
    number = 0
    while True:
        for post in planted_posts(256, rng.randrange(1 << 30)):
            number += 1
            text = f"No. {number}: {post.text} "
            yield (text * (CHARACTERS // len(text) + 1))[:CHARACTERS]


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _above_idle(
    before: Mapping[str, float], after: Mapping[str, float], idle: Mapping[str, float], s: float
) -> dict[str, float]:
    return {part: max(0.0, after[part] - before[part] - s * idle[part]) for part in PARTS}
