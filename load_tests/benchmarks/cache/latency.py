"""How long a kept answer takes, from memory and from the shared tier, beside the shipped model.

In: one cluster. Out: figures of one connection: medians of interleaved rounds of wrk's p50.
"""

import json
import statistics
from dataclasses import asdict

from load_tests.benchmarks.cache.context import CHAT, Setting, ask_until_hit, chat
from load_tests.benchmarks.common.measurement import Figure
from load_tests.benchmarks.common.wrk import Load, run_wrk

NANO = {"id": "nano", "engine": "openvino", "source": "nano", "num_cpus": 0.1}
BODY = chat(
    "Write an Instagram caption about a rooftop coffee bar with a view of the harbour", "nano"
)
NO_STORE = {"Cache-Control": "no-store"}
TARGETS = {"l1": 0.05, "l2": 0.2}


def latency(setting: Setting) -> list[Figure]:
    found: list[Figure] = []
    for tier, cache in (("l1", {}), ("l2", {"memory_mib": 0})):
        setting.say(f"latency: deploying the nano model, answers kept in {tier} ...")
        setting.deploy(NANO, shared="embedded", **cache)
        ask_until_hit(setting.url, BODY, setting.headers, tier)
        loads = _rounds(setting)
        ask_until_hit(setting.url, BODY, setting.headers, tier)
        setting.raw[f"latency, {tier}"] = {
            name: [asdict(load) for load in each] for name, each in loads.items()
        }
        found += figures(tier, loads)
    return found


def _rounds(setting: Setting) -> dict[str, list[Load]]:
    loads: dict[str, list[Load]] = {"computed": [], "kept": []}
    for turn in range(setting.options.rounds + 1):  # the first warms up
        for name, wishes in (("computed", NO_STORE), ("kept", {})):
            load = run_wrk(
                setting.url + CHAT,
                json.dumps(BODY).encode(),
                {**setting.headers, **wishes},
                connections=1,
                seconds=setting.options.seconds,
                scratch=setting.scratch,
            )
            if turn:
                loads[name].append(load)
    return loads


def figures(tier: str, loads: dict[str, list[Load]]) -> list[Figure]:
    computed, kept = (
        statistics.median(load.p50_ms for load in loads[name]) for name in ("computed", "kept")
    )
    errors = sum(load.errors for each in loads.values() for load in each)
    return [
        Figure("latency", f"computed (beside {tier}), p50", computed, "ms"),
        Figure("latency", f"{tier}, p50", kept, "ms"),
        Figure("latency", f"{tier} / computed", kept / computed, at_most=TARGETS[tier]),
        Figure("latency", f"{tier}, errors", errors, at_most=0),
    ]
