"""`./mobula bench load`: simulated users on the running cluster, or on a private one.

    ./mobula bench load --shape soak --length 3600 --peak 20 --report soak
    ./mobula bench load --private --mix neighbours --shape noisy --length 120 --peak 25

Runs locust without its web page, with the admin key, or `--key`. Other options are those of
load_tests/locustfile.py: `--shape`, `--peak`, `--length`, `--mix`, `--model`, `--report`,
thresholds. The exit code is 1 if a threshold was missed.
"""

import argparse
import asyncio
import contextlib
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx

from cluster.cli.requirements import MissingRequirement
from cluster.cli.running_cluster import NOT_RUNNING, running_state
from cluster.runtime.settings import ROOT, Settings
from cluster.secrets.key_files import admin_key
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.tenants import create_tenant

LOCUSTFILE = ROOT / "load_tests" / "locustfile.py"
MODELS = [
    {"id": "nano", "engine": "openvino", "num_cpus": 0.1},
    {"id": "echo", "engine": "echo", "num_cpus": 0.1},
]


@dataclass(frozen=True)
class LoadTarget:
    """Where the users go, and whose key they have."""

    url: str
    key: str


def main(argv: Sequence[str] | None = None) -> int:
    options, others = _options(argv)
    if find_spec("locust") is None:
        raise MissingRequirement("this needs locust: MOBULA_EXTRAS=dev ./mobula bench load")
    with _load_target(options) as target:
        return _locust(target, others)


@contextlib.contextmanager
def _load_target(options: argparse.Namespace) -> Iterator[LoadTarget]:
    if options.private:
        with LocalServe() as local:
            _deploy(local)
            yield LoadTarget(local.url, local.key)
    else:
        yield _running(options)


def _running(options: argparse.Namespace) -> LoadTarget:
    """Raises MissingRequirement where no cluster runs and no `--host` is given."""
    settings = Settings()
    key = options.key or admin_key(settings.home, settings) or ""
    if options.host:
        return LoadTarget(options.host, key)
    state = running_state(settings)
    if state is None:
        raise MissingRequirement(NOT_RUNNING)
    return LoadTarget(state.url, key)


def _deploy(local: LocalServe) -> None:
    from graphs.app import build
    from graphs.args import AppArgs

    args = {
        "models": MODELS,
        "embeddings": [{"id": "minilm", "num_cpus": 0.1}],
        "content": {"default": "nano"},
        "ingress": {"num_cpus": 0.1, "replicas": 2},
        "video": {"num_cpus": 0.1, "gpu": False},
    }
    local.run(build(AppArgs.model_validate(args)), "mobula", "/")


def _locust(target: LoadTarget, others: Sequence[str]) -> int:
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless"]
    command += ["--only-summary", "--host", target.url, "--key", target.key]
    if _value(others, "--mix") == "neighbours" and "--noisy-key" not in others:
        command += ["--noisy-key", asyncio.run(_noisy_key(target))]
    return subprocess.run([*command, *others], cwd=Path.cwd(), check=False).returncode


async def _noisy_key(target: LoadTarget) -> str:
    """Of a new tenant, alone on a plan without limits: only fairness holds it back."""
    async with httpx.AsyncClient(base_url=target.url, timeout=30) as client:
        return await create_tenant(client, target.key, f"noisy-{secrets.token_hex(4)}", {})


def _value(others: Sequence[str], name: str) -> str:
    """What follows an option of locust's."""
    for index, word in enumerate(others):
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if word == name and index + 1 < len(others):
            return others[index + 1]
    return ""


def _options(argv: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="mobula bench load", description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--host", help="a cluster elsewhere [default: the one that runs here]")
    parser.add_argument("--key", help="[default: the admin key]")
    parser.add_argument("--private", action="store_true", help="on a cluster made for this run")
    return parser.parse_known_args(argv)


if __name__ == "__main__":
    sys.exit(main())
