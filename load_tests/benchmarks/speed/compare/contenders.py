"""Who is measured: where each answers which case, all up at the same time.

In: a private cluster. Out: contenders, ready. Gateways forward to an echo server, which is measured
alone too: what it carries bounds all that ask it. Mobula answers from its echo engine, or forwards
to that server as well.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cluster.runtime.version import VERSION
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.speed.bench_path import apply_every_limit
from load_tests.benchmarks.speed.compare.echo_process import run_echo_server
from load_tests.benchmarks.speed.compare.gateways import GATEWAYS, STREAMED
from load_tests.benchmarks.speed.compare.targets import (
    CACHEABLE,
    CHAT,
    MESSAGES,
    PACE,
    STREAM,
    TOKENS,
    UNARY,
    Contender,
    Target,
)

ECHO_SERVER = "their echo server alone"


@contextmanager
def start_contenders(
    local: LocalServe,
    scratch: Path,
    *,
    gateways: Sequence[str],
    forward: bool = False,
    ingress_replicas: int = 1,
) -> Iterator[list[Contender]]:
    """Mobula, bare Serve and, with any of GATEWAYS, those and their echo server; all answer. With
    `forward` Mobula forwards to that server too, by so many replicas of its ingress, and bare Serve
    is left out, which cannot.
    """
    with ExitStack() as stack:
        url = ""
        if gateways or forward:
            url = stack.enter_context(run_echo_server(scratch, 1 / PACE))
        if forward:
            contenders = [_forwarding(local, url, ingress_replicas)]
        else:
            contenders = [_mobula(local), _bare(local)]
        contenders += [GATEWAYS[name](stack, url, scratch) for name in gateways]
        if url:
            contenders.append(Contender(ECHO_SERVER, _forwarded(url, "")))
        yield contenders


def _forwarded(url: str, key: str) -> dict[str, Target]:
    return {
        "unary": Target.of(url + CHAT, key, UNARY),
        "stream": Target.of(url + CHAT, key, STREAMED),
    }


def _forwarding(local: LocalServe, echo_url: str, replicas: int = 1) -> Contender:
    """Everything on, over a model of a provider that is the echo server."""
    model = {"id": "echo", "engine": "openai", "base_url": f"{echo_url}/v1", "check": False}
    args = {"models": [model], "egress": {"private_hosts": ["127.0.0.1"]}}
    _deploy(local, {**args, "ingress": {"num_cpus": 0.1, "replicas": replicas}})
    if replicas > 1:
        local.wait_for_ingress(replicas)
    return Contender(f"mobula {VERSION}", _forwarded(local.url, local.key))


def _deploy(local: LocalServe, args: dict[str, Any]) -> None:
    """Authentication, every kind of limit, usage and audit are on, and the cache."""
    from graphs.app import build
    from graphs.args import AppArgs

    common = {
        "ingress": {"num_cpus": 0.1},
        "limiter": {"authority": "embedded"},
        "video": {"enabled": False},
        "text": {"enabled": False},
    }
    local.run(build(AppArgs.model_validate({**common, **args})), "mobula", "/")
    apply_every_limit(local.url, local.key)


def _mobula(local: LocalServe) -> Contender:
    """Everything on, over echo engines of its own."""
    echo = {"engine": "echo", "num_cpus": 0.1}
    paced = {"id": "paced", "tokens_per_second": PACE, "max_running": 256, "stream_interval_s": 0}
    _deploy(local, {"models": [{"id": "echo", **echo}, {**paced, **echo}]})
    cases: dict[str, dict[str, Any]] = {
        "unary": UNARY,
        "stream": {**STREAM, "ignore_eos": True},
        "cached": CACHEABLE,
    }
    return Contender(
        f"mobula {VERSION}",
        {case: Target.of(local.url + CHAT, local.key, body) for case, body in cases.items()},
    )


def _bare(local: LocalServe) -> Contender:
    """FastAPI, one handle call, echo: under the same Serve profile."""
    from load_tests.benchmarks.common import bare_serve_apps

    local.run(bare_serve_apps.chain(), "chain", "/chain")
    pace = {"messages": MESSAGES, "max_tokens": TOKENS, "pause_s": 1 / PACE}
    return Contender(
        "bare Serve, chain",
        {
            "unary": Target.of(f"{local.url}/chain/chat", "", {"messages": MESSAGES}),
            "stream": Target.of(f"{local.url}/chain/stream", "", pace),
        },
    )
