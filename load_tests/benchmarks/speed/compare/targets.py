"""What is sent to each contender of a comparison. In: cases. Out: requests as bytes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from load_tests.benchmarks.speed.bench_path import PROMPT

CHAT = "/v1/chat/completions"
TOKENS = 50  # of a stream
PACE = 100.0  # tokens/s of every model and mock when it streams
MESSAGES = [{"role": "user", "content": PROMPT}]
UNARY = {"model": "echo", "messages": MESSAGES}
CACHEABLE = {**UNARY, "temperature": 0}
STREAM = {"model": "paced", "messages": MESSAGES, "max_tokens": TOKENS, "stream": True}


@dataclass(frozen=True)
class Target:
    """One case of one contender. `headers` are sent besides those of every JSON request."""

    url: str
    key: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, url: str, key: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Self:
        return cls(url, key, json.dumps(body, separators=(",", ":")).encode(), headers or {})


@dataclass(frozen=True)
class Contender:
    """`targets` by case: unary, stream, cached."""

    name: str
    targets: dict[str, Target]
