"""`mobula bench up`: a warm `up` against the least that Ray Serve can do, in turn.

The yardstick is what Ray's documentation says to type: `ray start --head` with the dashboard,
`serve deploy` of a hello application, then wait for the first 200.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
from rich.table import Table

from cluster.cli.output import Stages, console, fail, print_rich
from cluster.ops.environment import ONE_MACHINE
from cluster.ops.ports import Ports
from cluster.ops.processes import cluster_processes, end_all
from cluster.runtime.clock import SystemClock
from cluster.runtime.installation import command as mobula_command
from cluster.runtime.settings import MARKER, process_environment

HELLO = """
from ray import serve
from starlette.responses import PlainTextResponse

@serve.deployment
class Hello:
    async def __call__(self, request):
        return PlainTextResponse("hello")

def build(args):
    return Hello.bind()
"""
CONFIG = """
proxy_location: HeadOnly
http_options: {{host: 127.0.0.1, port: {port}}}
applications:
  - {{name: hello, route_prefix: /, import_path: "hello:build"}}
"""
TARGET = 1.5
LIMIT_S = 180.0
BARE = "bench-up-bare"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure both, interleaved; 0 if the ratio of medians is within the target."""
    parser = argparse.ArgumentParser(prog="mobula bench up", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="starts of each kind")
    rounds = parser.parse_args(argv).rounds
    kinds: dict[str, Callable[[Path], float]] = {"bare": _bare, "up": _up}
    seconds: dict[str, list[float]] = {"bare": [], "up": []}
    stages = Stages()
    try:
        with stages.running():
            for number in range(rounds):
                for kind, start in kinds.items():
                    stages(f"round {number + 1} of {rounds}: {kind}")
                    with tempfile.TemporaryDirectory(prefix="mob-") as folder:
                        seconds[kind].append(start(Path(folder)))
    except (subprocess.CalledProcessError, TimeoutError) as error:
        return fail(str(error))
    return _report(seconds)


def _report(seconds: dict[str, list[float]]) -> int:
    medians = {kind: statistics.median(times) for kind, times in seconds.items()}
    table = Table("seconds to the first 200", "median", "each")
    names = {"bare": "ray start + serve deploy, hello", "up": "mobula up -d"}
    for kind, times in seconds.items():
        table.add_row(names[kind], f"{medians[kind]:.1f}", ", ".join(f"{t:.1f}" for t in times))
    console.print(table)
    ratio = medians["up"] / medians["bare"]
    print_rich(f"ratio {ratio:.2f} (target: at most {TARGET})")
    return 0 if ratio <= TARGET else 1


def _up(folder: Path) -> float:
    """Seconds that `mobula up -d` takes, on free ports and in a home of its own."""
    ports = Ports.free()
    env = process_environment({
        "MOBULA_HOME": str(folder / "home"),
        "MOBULA_HTTP_PORT": str(ports.http),
        "MOBULA_DASHBOARD_PORT": str(ports.dashboard),
        "MOBULA_GCS_PORT": str(ports.gcs),
    })  # fmt: skip
    command = mobula_command()
    try:
        return _timed(lambda: _call([*command, "up", "-d"], env))
    finally:
        _call([*command, "down", "--drain", "0"], env)


def _bare(folder: Path) -> float:
    """Seconds from `ray start` to the first 200 of a hello application."""
    ports = Ports.free()
    (folder / "hello.py").write_text(HELLO)
    (folder / "hello.yaml").write_text(CONFIG.format(port=ports.http))
    env = process_environment({
        MARKER: BARE,
        ONE_MACHINE: "0",  # as `up` has it: nobody else reaches its ports
        "SPT_NOENV": "1",
        "PYTHONPATH": str(folder),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "0" * 64,
        "RAY_USAGE_STATS_ENABLED": "0",
    })  # fmt: skip
    try:
        return _timed(lambda: _ray_way(folder, ports, env))
    finally:
        end_all(lambda: cluster_processes(BARE), grace_s=1.0)


def _ray_way(folder: Path, ports: Ports, env: dict[str, str]) -> None:
    scripts = Path(sys.executable).parent
    start = [str(scripts / "ray"), "start", "--head", "--port", str(ports.gcs)]
    start += ["--temp-dir", str(folder / "ray"), "--include-dashboard", "true"]
    start += ["--dashboard-port", str(ports.dashboard)]
    start += ["--dashboard-agent-listen-port", str(ports.agent)]
    _call([*start, "--ray-client-server-port", str(ports.gcs + 9)], env)
    address = f"http://127.0.0.1:{ports.dashboard}"
    _call([str(scripts / "serve"), "deploy", "-a", address, str(folder / "hello.yaml")], env)
    clock = SystemClock()
    until = clock.monotonic() + LIMIT_S
    with httpx.Client(trust_env=False, timeout=2.0) as http:
        while not _answers(http, f"http://127.0.0.1:{ports.http}/"):
            if clock.monotonic() > until:
                raise TimeoutError("the hello application did not answer")
            time.sleep(0.05)


def _answers(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def _timed(action: Callable[[], None]) -> float:
    clock = SystemClock()
    began = clock.monotonic()
    action()
    return clock.monotonic() - began


def _call(command: list[str], env: dict[str, str]) -> None:
    subprocess.run(
        command, env=env, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=LIMIT_S
    )


if __name__ == "__main__":
    sys.exit(main())
