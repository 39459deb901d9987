"""A kept chat completion of Mobula beside one of a LiteLLM proxy with its cache on.

In: one cluster. LiteLLM keeps answers in its memory; what it does not have it asks Mobula for. Out:
figures of interleaved rounds.
"""

import json
import secrets
import statistics
from dataclasses import asdict

import httpx

from load_tests.benchmarks.cache.context import CHAT, ECHO, Setting, ask_until_hit, chat, headers_of
from load_tests.benchmarks.common.litellm_proxy import (
    KEPT,
    PACKAGE,
    Upstream,
    installed,
    proxy,
    version_of,
)
from load_tests.benchmarks.common.measurement import Figure
from load_tests.benchmarks.common.wrk import Load, run_wrk
from load_tests.benchmarks.speed.bench_path import PROMPT, limit_everything

TARGET = 12.0
BODY = chat(PROMPT)


def litellm(setting: Setting) -> list[Figure]:
    setting.say(f"litellm: installing {PACKAGE} in an environment of its own ...")
    python = installed()
    setting.deploy(ECHO)
    limit_everything(setting.url, setting.local.key)
    ask_until_hit(setting.url, BODY, setting.headers, "l1")
    loads: dict[str, list[Load]] = {"mobula": [], "litellm": []}
    key = f"sk-{secrets.token_hex(32)}"
    keys = {"mobula": setting.local.key, "litellm": key}
    upstream = Upstream(f"{setting.url}/v1", setting.local.key)

    def has_kept(url: str) -> None:
        _has_kept(url, key)

    with proxy(python, upstream, key, setting.scratch, cache=True, ready=has_kept) as url:
        for turn in range(setting.options.rounds + 1):  # the first warms up
            for name, address in (("mobula", setting.url), ("litellm", url)):
                load = _measured(setting, address, keys[name])
                if turn:
                    loads[name].append(load)
            setting.say(f"litellm: round {turn} of {setting.options.rounds} done")
        has_kept(url)
    setting.raw["litellm"] = {name: [asdict(load) for load in each] for name, each in loads.items()}
    return figures(loads, version_of(python))


def figures(loads: dict[str, list[Load]], version: str) -> list[Figure]:
    rates = {name: statistics.median(x.requests_s for x in each) for name, each in loads.items()}
    errors = sum(load.errors for each in loads.values() for load in each)
    return [
        Figure("litellm", "mobula, kept", rates["mobula"], "requests/s"),
        Figure("litellm", f"litellm {version}, kept", rates["litellm"], "requests/s"),
        Figure("litellm", "mobula / litellm", rates["mobula"] / rates["litellm"], at_least=TARGET),
        Figure("litellm", "errors of both", errors, at_most=0),
    ]


def _measured(setting: Setting, url: str, key: str) -> Load:
    return run_wrk(
        url + CHAT,
        json.dumps(BODY, separators=(",", ":")).encode(),
        headers_of(key),
        connections=setting.options.connections,
        seconds=setting.options.seconds,
        scratch=setting.scratch,
    )


def _has_kept(url: str, key: str) -> None:
    answer = httpx.post(url + CHAT, json=BODY, headers=headers_of(key), timeout=30)
    answer.raise_for_status()
    if KEPT not in answer.headers:
        raise RuntimeError("litellm did not answer from its cache")
