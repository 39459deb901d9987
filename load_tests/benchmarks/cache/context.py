"""What the parts of `./mobula bench cache` share: a cluster, its sizes, Mobula with a cache on it.

Flows in: what to deploy. Flows out: answers, and how the cache says they came about.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from load_tests.benchmarks.common.local_serve import LocalServe

CHAT = "/v1/chat/completions"
ECHO = {"id": "echo", "engine": "echo", "source": "echo", "num_cpus": 0.1}
KNOWN_S = 20.0


@dataclass
class CacheBenchmark:
    """`raw` takes what a part measured, for the report."""

    local: LocalServe
    options: argparse.Namespace
    console: Console
    scratch: Path
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.local.url

    @property
    def headers(self) -> dict[str, str]:
        return auth_headers(self.local.key)

    def deploy(self, model: Mapping[str, Any], *, replicas: int = 1, **cache: Any) -> None:
        """Redeploys Mobula with this model, so many ingress replicas and fields of `cache`."""
        from ray import serve

        from graphs.app import build
        from graphs.args import AppArgs

        if "mobula" in serve.status().applications:
            serve.delete("mobula")
        args = {
            "models": [model],
            "ingress": {"num_cpus": 0.1, "replicas": replicas},
            "limiter": {"authority": "embedded"},
            "cache": cache,
        }
        self.local.run(build(AppArgs.model_validate(args)), "mobula", "/")

    def print(self, text: str) -> None:
        self.console.print(text)


def auth_headers(key: str) -> dict[str, str]:
    return {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}


def chat_body(prompt: str, model: str = "echo", **fields: Any) -> dict[str, Any]:
    """A request whose response may be cached."""
    messages = [{"role": "user", "content": prompt}]
    return {"model": model, "messages": messages, "temperature": 0, **fields}


def read_cache_status(answer: httpx.Response) -> str:
    """Of an answer that has to be one: its Cache-Status."""
    answer.raise_for_status()
    return answer.headers.get("cache-status", "")


def is_hit(answer: httpx.Response, tier: str) -> bool:
    """Whether the response was a hit in `tier`: l1, l2 or l3."""
    status = read_cache_status(answer)
    return ";hit;" in status and status.endswith(f"detail={tier}")


def request_until_hit(
    url: str, body: Mapping[str, Any], headers: Mapping[str, str], tier: str
) -> None:
    """Have a response cached; RuntimeError if it does not come from `tier` after 20 s."""
    until = time.monotonic() + KNOWN_S
    with httpx.Client(timeout=60, headers=headers) as client:
        while not is_hit(answer := client.post(url + CHAT, json=body), tier):
            if time.monotonic() > until:
                raise RuntimeError(f"no hit in {tier}, but: {read_cache_status(answer)}")
            time.sleep(0.05)


def read_cache_stats(url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """What the cache says it did, over all tenants and replicas."""
    answer = httpx.get(f"{url}/api/v1/cache/stats?all_tenants=true", headers=headers, timeout=10)
    answer.raise_for_status()
    return dict(answer.json())
