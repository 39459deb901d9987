"""A cached chat completion of Mobula beside one of a LiteLLM proxy with its cache on.

In: one cluster. LiteLLM keeps answers in its memory; what it does not have it asks Mobula for. Out:
figures of interleaved rounds.
"""

import json
import secrets
import statistics
from dataclasses import asdict

import httpx

from load_tests.benchmarks.cache.context import (
    CHAT,
    ECHO,
    CacheBenchmark,
    auth_headers,
    chat_body,
    request_until_hit,
)
from load_tests.benchmarks.common.litellm_proxy import (
    CACHE_KEY_HEADER,
    PACKAGE,
    Upstream,
    install_litellm,
    read_version,
    run_proxy,
)
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.common.wrk import WrkResult, run_wrk
from load_tests.benchmarks.speed.bench_path import PROMPT, apply_every_limit

TARGET = 12.0
BODY = chat_body(PROMPT)


def measure_litellm(benchmark: CacheBenchmark) -> list[Measurement]:
    benchmark.print(f"litellm: installing {PACKAGE} in an environment of its own ...")
    python = install_litellm()
    benchmark.deploy(ECHO)
    apply_every_limit(benchmark.url, benchmark.local.key)
    request_until_hit(benchmark.url, BODY, benchmark.headers, "l1")
    loads: dict[str, list[WrkResult]] = {"mobula": [], "litellm": []}
    key = f"sk-{secrets.token_hex(32)}"
    keys = {"mobula": benchmark.local.key, "litellm": key}
    upstream = Upstream(f"{benchmark.url}/v1", benchmark.local.key)

    def require_cache_hit(url: str) -> None:
        _require_cache_hit(url, key)

    with run_proxy(
        python, upstream, key, benchmark.scratch, cache=True, ready=require_cache_hit
    ) as url:
        for turn in range(benchmark.options.rounds + 1):  # the first warms up
            for name, address in (("mobula", benchmark.url), ("litellm", url)):
                load = _measured(benchmark, address, keys[name])
                if turn:
                    loads[name].append(load)
            benchmark.print(f"litellm: round {turn} of {benchmark.options.rounds} done")
        require_cache_hit(url)
    benchmark.raw["litellm"] = {
        name: [asdict(load) for load in each] for name, each in loads.items()
    }
    return build_measurements(loads, read_version(python))


def build_measurements(loads: dict[str, list[WrkResult]], version: str) -> list[Measurement]:
    rates = {name: statistics.median(x.requests_s for x in each) for name, each in loads.items()}
    errors = sum(load.errors for each in loads.values() for load in each)
    return [
        Measurement("litellm", "mobula, cached", rates["mobula"], "requests/s"),
        Measurement("litellm", f"litellm {version}, cached", rates["litellm"], "requests/s"),
        Measurement(
            "litellm", "mobula / litellm", rates["mobula"] / rates["litellm"], at_least=TARGET
        ),
        Measurement("litellm", "errors of both", errors, at_most=0),
    ]


def _measured(benchmark: CacheBenchmark, url: str, key: str) -> WrkResult:
    return run_wrk(
        url + CHAT,
        json.dumps(BODY, separators=(",", ":")).encode(),
        auth_headers(key),
        connections=benchmark.options.connections,
        seconds=benchmark.options.seconds,
        scratch=benchmark.scratch,
    )


def _require_cache_hit(url: str, key: str) -> None:
    answer = httpx.post(url + CHAT, json=BODY, headers=auth_headers(key), timeout=30)
    answer.raise_for_status()
    if CACHE_KEY_HEADER not in answer.headers:
        raise RuntimeError("litellm did not answer from its cache")
