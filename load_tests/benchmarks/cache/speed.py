"""Requests a second of a kept chat completion, with everything on, beside the least of Serve.

In: one cluster with the bare apps and Mobula. Out: figures; rounds are interleaved, so that a noisy
moment hits all cases, and ratios of medians count.
"""

import json
import statistics
from dataclasses import asdict, dataclass

from load_tests.benchmarks.cache.context import (
    CHAT,
    ECHO,
    Setting,
    ask_until_hit,
    cache_figures,
    chat,
)
from load_tests.benchmarks.common.measurement import Figure
from load_tests.benchmarks.common.wrk import Load, run_wrk
from load_tests.benchmarks.speed.bench_path import PROMPT, limit_everything

RATIO, P95_MS = 1.0, 50.0
CACHED, BARE, CEILING = "mobula, kept", "bare FastAPI", "bare ASGI"


@dataclass(frozen=True)
class Case:
    name: str
    path: str
    wishes: dict[str, str]


CASES = [
    Case(CEILING, "/asgi/chat", {}),
    Case(BARE, "/hello/chat", {}),
    Case(CACHED, CHAT, {}),
    Case("mobula, computed by echo", CHAT, {"Cache-Control": "no-store"}),
]
BODY = chat(PROMPT)


def speed(setting: Setting) -> list[Figure]:
    from load_tests.benchmarks.common import (
        bare_serve_apps,  # imports Ray, which the cluster has to be made before
    )

    setting.say("speed: deploying the bare apps and mobula with the echo engine ...")
    setting.local.run(bare_serve_apps.asgi(), "asgi", "/asgi")
    setting.local.run(bare_serve_apps.hello(), "hello", "/hello")
    setting.deploy(ECHO)
    limit_everything(setting.url, setting.local.key)
    ask_until_hit(setting.url, BODY, setting.headers, "l1")
    loads: dict[str, list[Load]] = {case.name: [] for case in CASES}
    for case in CASES:
        measured(setting, case, min(2.0, setting.options.seconds))
    computed = 0
    for turn in range(setting.options.rounds):
        shift = turn % len(CASES)
        for case in [*CASES[shift:], *CASES[:shift]]:
            before = _computed(setting)
            loads[case.name].append(measured(setting, case, setting.options.seconds))
            computed += (_computed(setting) - before) * (case.name == CACHED)
        setting.say(f"speed: round {turn + 1} of {setting.options.rounds} done")
    ask_until_hit(setting.url, BODY, setting.headers, "l1")
    setting.raw["speed"] = {name: [asdict(load) for load in each] for name, each in loads.items()}
    return figures(loads, computed)


def measured(setting: Setting, case: Case, seconds: float) -> Load:
    return run_wrk(
        setting.url + case.path,
        json.dumps(BODY, separators=(",", ":")).encode(),
        {**setting.headers, **case.wishes},
        connections=setting.options.connections,
        seconds=seconds,
        scratch=setting.scratch,
    )


def _computed(setting: Setting) -> int:
    """Lookups that did not end in memory, so far."""
    return int(cache_figures(setting.url, setting.headers)["l1"]["misses"])


def figures(loads: dict[str, list[Load]], computed: int) -> list[Figure]:
    rates = {name: _median(each, "requests_s") for name, each in loads.items()}
    kept = loads[CACHED]
    return [
        *(Figure("speed", name, rate, "requests/s") for name, rate in rates.items()),
        Figure("speed", f"kept / {BARE}", rates[CACHED] / rates[BARE], at_least=RATIO),
        Figure("speed", f"kept / {CEILING}", rates[CACHED] / rates[CEILING]),
        Figure("speed", "kept, p95", _median(kept, "p95_ms"), "ms", at_most=P95_MS),
        Figure("speed", "kept, p99", _median(kept, "p99_ms"), "ms"),
        Figure("speed", "kept, errors", sum(load.errors for load in kept), at_most=0),
        Figure("speed", "kept, but not found in memory", computed, at_most=0),
    ]


def _median(loads: list[Load], field: str) -> float:
    return statistics.median(getattr(load, field) for load in loads)
