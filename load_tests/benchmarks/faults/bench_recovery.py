"""`./mobula bench recovery`: what a cluster on one machine does when its processes are killed.

`./mobula up -d` in a home and on ports of its own, with what is served by default. One process
after the other is killed, idle and under load; measured is how long until all is well again, and
whether keys, accepted jobs and the usage of complete responses are still there.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cluster.ops.roles import BY_COMMAND, BY_SERVE, FATAL, Role
from cluster.runtime.installation import default_config
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import admin_key
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.common.mobula_command import MobulaCommand
from load_tests.benchmarks.faults.recovery.durability import DurabilityCheck
from load_tests.benchmarks.faults.recovery.process_kills import (
    NOTICED_S,
    Recovery,
    kill_and_recover,
    promised_recovery_s,
)
from load_tests.machine import describe_machine

DEFAULT: tuple[Role, ...] = ("controller", "haproxy", "raylet", "gcs")


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    with (
        tempfile.TemporaryDirectory(prefix="mob-") as folder,
        MobulaCommand.create_temporary(Path(folder)) as cluster,
    ):
        code, output = cluster.run("up", "-d", "--config", str(options.config))
        if code != 0:
            console.print(output, markup=False)
            return code
        try:
            measurements = _measure(cluster, options, console)
        finally:
            cluster.run("down", "--drain", "0")
    console.print(build_table(measurements))
    report = {
        "benchmark": "recovery",
        "machine": describe_machine(),
        "conditions": {"clients": options.clients, "parts": options.part or DEFAULT},
        "rows": [measurement.to_dict() for measurement in measurements],
        "passed": all_met(measurements),
    }
    return finish_benchmark(report, bool(report["passed"]), options)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench recovery", description=__doc__)
    parser.add_argument("--part", action="append", choices=(*FATAL, *BY_SERVE, *BY_COMMAND))
    parser.add_argument("--clients", type=int, action="append", help="at once; 0: idle [0 and 8]")
    parser.add_argument("--config", type=Path, default=default_config())
    parser.add_argument("--job", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    options = parser.parse_args(argv)
    options.clients = options.clients or [0, 8]
    return options


def _measure(
    cluster: MobulaCommand, options: argparse.Namespace, console: Console
) -> list[Measurement]:
    key = admin_key(cluster.home, Settings(home=cluster.home)) or ""
    url = f"http://127.0.0.1:{cluster.ports.http}"
    measurements: list[Measurement] = []
    for clients in options.clients:
        durability = DurabilityCheck(url, key, clients)
        keys: list[str] = []
        with durability:
            for role in options.part or DEFAULT:
                console.print(f"{clients} clients: {role} is killed ...")
                keys.append(durability.make_key(role))
                job = durability.order_clips(cluster.folder) if options.job else None
                recovery = kill_and_recover(cluster, role)
                measurements += build_measurements(recovery, clients)
                if job is not None:
                    lost = not durability.succeeds(job)
                    measurements.append(
                        Measurement(_part(role, clients), "jobs lost", lost, at_most=0)
                    )
        measurements += _durability_measurements(durability, keys, clients)
    return measurements


def build_measurements(recovery: Recovery, clients: int) -> list[Measurement]:
    part, most = _part(recovery.role, clients), promised_recovery_s(recovery.role, clients)
    return [
        Measurement(part, "noticed after", recovery.noticed_s, "s", at_most=NOTICED_S),
        Measurement(part, "all well after", recovery.back_s, "s", at_most=most),
        Measurement(part, "/readyz away", recovery.away_s, "s"),
    ]


def _durability_measurements(
    durability: DurabilityCheck, keys: Sequence[str], clients: int
) -> list[Measurement]:
    part = f"{clients} clients, all kills"
    lost_keys = sum(not durability.is_key_valid(key) for key in keys)
    measurements = [Measurement(part, "keys lost", lost_keys, "", at_most=0)]
    if not clients:
        return measurements
    missing = max(0, durability.tokens - durability.ledger_tokens())
    return [
        *measurements,
        Measurement(part, "complete responses", durability.answered),
        Measurement(part, "failed requests", durability.failed),
        Measurement(part, "tokens of complete responses", durability.tokens),
        Measurement(part, "of them in no ledger", missing),
    ]


def _part(role: Role, clients: int) -> str:
    return f"{role}, {clients} clients" if clients else f"{role}, idle"


if __name__ == "__main__":
    sys.exit(main())
