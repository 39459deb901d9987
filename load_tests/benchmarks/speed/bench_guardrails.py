"""`./mobula bench guardrails`: what guardrails cost the first token, and planted data in streams.

In this process, without Ray: the whole application with tenancy and cache, and a model that sends
given pieces of text `--interval-ms` apart. `ttft` sends the same streamed chats without and with
guardrails in turn: personal data, words, domains and an expression over input and output, prompt
injection over the input. The time is that from the request to the first event with a word. A word
is held back until the next piece shows that it begins no address, so part of the added time is one
interval of the model. `planted` streams texts with personal data of every kind, cut at random, and
counts those of which any six characters in a row leave.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import perf_counter

import httpx
import numpy as np
import orjson
from rich.console import Console
from starlette.types import ASGIApp, Message, Scope

from cluster.auth.bootstrap import bootstrap
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    ModelLoad,
    TokenUsage,
)
from deployments.guardrails.spec import GuardrailConfig
from deployments.ingress.tenant_services import TenantServices
from deployments.limiter.authority.memory import MemoryAuthority
from load_tests.benchmarks.common.in_process_application import start_application
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.common.tenants import create_tenant
from load_tests.benchmarks.speed.planted_pii import PlantedText, cut_at_random, planted_texts
from load_tests.machine import describe_machine

ROUTE = "/v1/chat/completions"
MAX_ADDED_MS = 20.0
POLICY = GuardrailConfig.model_validate(
    {
        "policies": {
            "bench": {
                "rules": [
                    {"id": "pii", "type": "pii", "action": "redact"},
                    {
                        "id": "words",
                        "type": "words",
                        "action": "refuse",
                        "words": ["project nimbus"],
                    },
                    {"id": "urls", "type": "urls", "action": "redact", "deny": ["bad.example"]},
                    {
                        "id": "tickets",
                        "type": "regex",
                        "action": "redact",
                        "pattern": "ACME-[0-9]{4,8}",
                    },
                    {
                        "id": "injection",
                        "type": "injection",
                        "action": "refuse",
                        "applies_to": "input",
                    },
                ]
            }
        },
        "default": ["bench"],
    }
)
PROMPT = "Please write a few friendly sentences about our new coffee shop by the river. " * 4
ANSWER = "Come and see us by the river, where every cup is made with care and served with a smile."


@dataclass
class PiecesModel:
    """A ServedModel that sends `pieces`, `interval_s` apart."""

    pieces: Sequence[str] = ()
    interval_s: float = 0.0
    requests: list[GenerateRequest] = field(default_factory=list)

    async def card(self) -> ModelCard:
        return ModelCard("pieces", "echo", "pieces", "1", 8_192, 0)

    async def load(self) -> ModelLoad:
        return ModelLoad(0, 0, 0, 0, 0, 0, 0, 0)

    async def generate(self, request: GenerateRequest) -> Completion:
        usage = TokenUsage(1, len(self.pieces))
        return Completion((Choice(0, "".join(self.pieces), "stop"),), usage)

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        for piece in self.pieces:
            await asyncio.sleep(self.interval_s)
            yield Chunk(0, piece, tokens=1)
        yield Chunk(0, "", "stop", usage=TokenUsage(1, len(self.pieces)))


@dataclass
class StreamedChat:
    """One request, straight to an ASGI application."""

    app: ASGIApp
    key: str
    first_text_s: float = 0.0  # from the beginning
    text: str = ""

    async def run(self) -> "StreamedChat":
        """Raises RuntimeError for a refusal."""
        body = orjson.dumps(
            {
                "model": "pieces",
                "stream": True,
                "messages": [{"role": "user", "content": PROMPT}],
            }
        )
        requests: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        status = 0
        begun = perf_counter()

        async def receive() -> Message:
            if not requests:  # the client stays connected
                await asyncio.get_running_loop().create_future()
            return requests.pop()

        async def send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            text = "".join(texts_of(message.get("body", b"")))
            self.text += text
            if not self.first_text_s and self.text.strip():
                self.first_text_s = perf_counter() - begun

        await self.app(self._scope(len(body)), receive, send)
        if status != httpx.codes.OK:
            raise RuntimeError(f"expected 200, not {status}")
        return self

    def _scope(self, length: int) -> Scope:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": ROUTE,
            "raw_path": ROUTE.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [
                (b"host", b"127.0.0.1"),
                (b"authorization", b"Bearer " + self.key.encode()),
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % length),
            ],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8_000),
        }


def texts_of(body: bytes) -> Iterator[str]:
    """What the events in a piece of a response say."""
    for line in body.split(b"\n"):
        if line.startswith(b"data: {"):
            for choice in orjson.loads(line[6:]).get("choices", ()):
                yield choice["delta"].get("content") or ""


@dataclass(frozen=True)
class SideBySide:
    """The application without guardrails and with them, over one model."""

    model: PiecesModel
    without: tuple[ASGIApp, str]  # and a key
    guarded: tuple[ASGIApp, str]


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse_options(argv)
    console = Console()
    with tempfile.TemporaryDirectory() as home:
        measurements = asyncio.run(_measure(Path(home), options))
    console.print(build_table(measurements))
    passed = all_met(measurements)
    report = {
        "benchmark": "guardrails",
        "machine": describe_machine(),
        "conditions": {
            "requests": options.requests,
            "interval_ms": options.interval_ms,
            "planted": options.planted,
            "seed": options.seed,
        },
        "figures": [each.to_dict() for each in measurements],
        "passed": passed,
    }
    return finish_benchmark(report, passed, options)


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench guardrails", description=__doc__)
    parser.add_argument("--requests", type=int, default=300, help="of each kind")
    parser.add_argument("--interval-ms", type=float, default=10.0, help="between two tokens")
    parser.add_argument("--planted", type=int, default=2_000, help="texts with personal data")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a goal is missed")
    return parser.parse_args(argv)


async def _measure(home: Path, options: argparse.Namespace) -> list[Measurement]:
    model = PiecesModel()
    async with AsyncExitStack() as stack:
        sides = SideBySide(
            model,
            await _started(stack, home / "without", model, None),
            await _started(stack, home / "guarded", model, POLICY),
        )
        return [
            *await _first_tokens(sides, options.requests, options.interval_ms / 1000),
            *await _planted(sides, planted_texts(options.planted, options.seed), options.seed),
        ]


async def _started(
    stack: AsyncExitStack, home: Path, model: PiecesModel, guardrails: GuardrailConfig | None
) -> tuple[ASGIApp, str]:
    settings, clock = Settings(home=home, log_level="ERROR"), SystemClock()
    admin_key = bootstrap(home, settings)
    assert admin_key is not None
    tenancy = TenantServices(settings, MemoryAuthority(clock), {}, clock)
    started = await stack.enter_async_context(
        start_application(settings, tenancy, {"pieces": model}, clock, guardrails=guardrails)
    )
    transport = httpx.ASGITransport(started.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://mobula") as http:
        return started.app, await create_tenant(http, admin_key, "guardrails", {})


async def _first_tokens(sides: SideBySide, requests: int, interval_s: float) -> list[Measurement]:
    sides.model.pieces = [f" {word}" for word in ANSWER.split()]
    sides.model.interval_s = interval_s
    times: dict[str, list[float]] = {"without": [], "guarded": []}
    for number in range(-2, requests):  # the first ones warm up
        for name, side in (("without", sides.without), ("guarded", sides.guarded)):
            chat = await StreamedChat(*side).run()
            if number >= 0:
                times[name].append(1000 * chat.first_text_s)
    p50, p95 = (
        {name: float(np.percentile(each, share)) for name, each in times.items()}
        for share in (50, 95)
    )
    return [
        Measurement("ttft", "without guardrails, p50", p50["without"], "ms"),
        Measurement("ttft", "with guardrails, p50", p50["guarded"], "ms"),
        Measurement("ttft", "without guardrails, p95", p95["without"], "ms"),
        Measurement("ttft", "with guardrails, p95", p95["guarded"], "ms"),
        Measurement(
            "ttft", "added, p95", p95["guarded"] - p95["without"], "ms", at_most=MAX_ADDED_MS
        ),
    ]


async def _planted(
    sides: SideBySide, planted: Sequence[PlantedText], seed: int
) -> list[Measurement]:
    rng = Random(seed)
    sides.model.interval_s = 0.0
    seen = missing = 0
    for text in planted:
        sides.model.pieces = cut_at_random(text.text, rng)
        unguarded = (await StreamedChat(*sides.without).run()).text
        missing += unguarded != text.text
        seen += text.is_seen_in((await StreamedChat(*sides.guarded).run()).text)
    return [
        Measurement("planted", "streamed texts", len(planted)),
        Measurement("planted", "not whole without guardrails", missing, at_most=0),
        Measurement("planted", "left with guardrails", seen, at_most=0),
    ]


if __name__ == "__main__":
    sys.exit(main())
