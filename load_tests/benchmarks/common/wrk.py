"""Runs `wrk` against an address on this machine and reads what it says.

Flows in: a URL, a JSON body, connections and seconds. Flows out: requests/s, latencies and errors.
"""

import math
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.cli.requirements import require_program

_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
_SCRIPT = """
wrk.method = "POST"
wrk.body = [==[{body}]==]
{headers}
done = function(summary, latency, requests)
  io.write(string.format("     95%%   %.2fus\\n", latency:percentile(95)))
end
"""


@dataclass(frozen=True)
class WrkResult:
    """What one run measured; latencies in milliseconds."""

    requests_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    p95_ms: float = float("nan")


def require_wrk() -> str:
    """The path of wrk; raises MissingRequirement."""
    return str(require_program("wrk", "apt-get install wrk"))


def run_wrk(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    connections: int,
    seconds: float,
    scratch: Path,
) -> WrkResult:
    """One run with one client thread, of whole seconds; `scratch` takes the script file."""
    lines = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items())
    script = scratch / "post.lua"
    script.write_text(_SCRIPT.format(body=body.decode(), headers=lines))
    command = [
        require_wrk(), "-t1", f"-c{connections}", f"-d{math.ceil(seconds)}s", "--timeout", "30s",
        "--latency", "-s", str(script), url,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return parse_report(done.stdout)


def parse_report(text: str) -> WrkResult:
    """Read wrk's report; raises ValueError when it is not one."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if rate is None:
        raise ValueError(f"not a report of wrk: {text[:200]}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    socket = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    errors = int(refused[1]) if refused else 0
    errors += sum(map(int, socket.groups())) if socket else 0
    p50, p95, p99 = (_latency(text, quantile) for quantile in ("50%", "95%", "99%"))
    return WrkResult(float(rate[1]), p50, p99, errors, p95)


def _latency(text: str, quantile: str) -> float:
    match = re.search(rf"{quantile}\s+([\d.]+)(us|ms|s|m)\b", text)
    return float(match[1]) * _UNITS[match[2]] if match else float("nan")
