"""`./mobula bench chaos`: constant load on a private cluster while parts change or are killed.

Echo models whose capacity is in slots answer unary requests and long streams; clients retry
nothing. Faults come evenly over the run: planned (new versions, scaling down and up), kills
(replicas of models, an engine's process), gray (a frozen replica), infra (Serve's controller, the
limiter, a cache shard), path (HAProxy, an ingress replica), redis; or single ones by name. Then
every request must have had one ending, usage must be what was answered, and nothing may be held.

With `--soak MINUTES` the load goes on for that long (no faults unless named), and what processes
hold must not grow.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import Measurement, all_met, build_table
from load_tests.benchmarks.common.redis_process import RedisProcess
from load_tests.benchmarks.faults.chaos.chaos_cluster import ChaosCluster, ClusterSizes
from load_tests.benchmarks.faults.chaos.faults import Fault, parse_faults
from load_tests.benchmarks.faults.chaos.final_state import read_final_state
from load_tests.benchmarks.faults.chaos.invariants import FinalState, check_invariants
from load_tests.benchmarks.faults.chaos.report import build_report, markdown, plots
from load_tests.benchmarks.faults.chaos.resource_samples import measure_growth
from load_tests.benchmarks.faults.chaos.run import ChaosConditions, ChaosRecord, run_chaos
from load_tests.benchmarks.faults.chaos.traffic import TrafficPlan
from load_tests.machine import describe_machine

STREAM_S = 60.0
SOAK_FAILS = 1e-5  # the share of requests that may fail in a soak


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console, machine = Console(), describe_machine()
    sizes, plan = _sizes(options), _plan(options)
    faults = _faults(options) * options.repeat
    with ExitStack() as stack:
        redis = stack.enter_context(RedisProcess()) if options.redis else None
        settings = {"MOBULA_REQUEST_TIMEOUT_S": f"{2 * max(STREAM_S, options.stream_s):g}"}
        if redis is not None:
            settings["MOBULA_REDIS_URL"] = redis.url
        local = stack.enter_context(LocalServe(profile="fast", **settings))
        console.print(f"deploying {sizes.models} replicas of each model ...")
        cluster = ChaosCluster(local, sizes, redis)
        cluster.deploy()
        cluster.wait_until_healthy(options.recovery_limit_s)
        console.print(f"{plan.requests} requests at {plan.rate:.0f}/s, {plan.streams} streams ...")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            record, after = runner.run(_run(cluster, plan, faults, options, console))
    measurements = _figures(record, after, options)
    report = build_report(record, measurements, machine, _conditions(options, sizes, plan))
    _show(report, measurements, console)
    _write(options, report, record, console)
    return 0 if all_met(measurements) or not options.check else 1


async def _run(
    cluster: ChaosCluster,
    plan: TrafficPlan,
    faults: list[Fault],
    options: argparse.Namespace,
    console: Console,
) -> tuple[ChaosRecord, FinalState]:
    conditions = ChaosConditions(
        patience_s=3 * max(STREAM_S, options.stream_s),
        recovery_limit_s=options.recovery_limit_s,
        sample_s=_sample_s(options, plan),
    )
    record = await run_chaos(cluster, plan, faults, conditions, console.print)
    return record, await read_final_state(cluster, record.tenant, record.wrong)


def _figures(
    record: ChaosRecord, after: FinalState, options: argparse.Namespace
) -> list[Measurement]:
    grown = measure_growth(record.samples, options.warm_s) if options.soak else []
    charged = replace(after, charged=after.charged - record.warm_tokens)
    return check_invariants(
        record.results, record.injected_faults, charged, grown,
        recovery_limit_s=options.recovery_limit_s, service_s=options.service_ms / 1e3,
        failing=SOAK_FAILS if options.soak else 0.0,
    )  # fmt: skip


def _show(report: dict[str, Any], measurements: Sequence[Measurement], console: Console) -> None:
    console.print(build_table(measurements))
    for fault in report["faults"]:
        console.print(
            f"{fault['fault']}: {fault['success']:.4%} of {fault['unary']} unary, "
            f"p99 {fault['p99_ms']:.0f} ms (calm {report['calm']['p99_ms']:.0f}), "
            f"failed {fault['failed']}, streams broken {fault['streams_broken']}"
        )
    for what, count in report["failures"].items():
        console.print(f"{count} x {what}")
    console.print("every bound was met" if report["passed"] else "a bound was MISSED")


def _write(
    options: argparse.Namespace, report: dict[str, Any], record: ChaosRecord, console: Console
) -> None:
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.report:
        options.report.mkdir(parents=True, exist_ok=True)
        for name, chart in plots(record).items():
            (options.report / f"{name}.svg").write_text(chart)
        (options.report / "report.md").write_text(markdown(report))
        console.print(f"report: {options.report / 'report.md'}")


def _sizes(options: argparse.Namespace) -> ClusterSizes:
    return ClusterSizes(
        ingress=options.ingress,
        models=options.models,
        slots=options.slots,
        service_s=options.service_ms / 1e3,
        engines=options.engines,
        redis=options.redis,
    )


def _plan(options: argparse.Namespace) -> TrafficPlan:
    sizes = _sizes(options)
    rate = options.rate or options.load * sizes.capacity
    return TrafficPlan(
        requests=round(options.soak * 60 * rate) if options.soak else options.requests,
        rate=rate,
        engine="nano",
        engine_every=100 if sizes.engines else 0,
        streams=options.streams,
        stream_tokens=max(1, round(options.stream_s * sizes.stream_pace)),
    )


def _faults(options: argparse.Namespace) -> list[Fault]:
    faults: list[Fault] = options.faults
    if any(fault.group == "redis" for fault in faults) and not options.redis:
        raise SystemExit("faults of Redis need --redis")
    if not options.engines:
        faults = [fault for fault in faults if fault.name != "kill-engine"]
    return faults


def _sample_s(options: argparse.Namespace, plan: TrafficPlan) -> float:
    """About fifty samples a run, at most one each five seconds and at least one a minute."""
    return min(60.0, max(5.0, plan.requests / plan.rate / 50))


def _conditions(
    options: argparse.Namespace, sizes: ClusterSizes, plan: TrafficPlan
) -> dict[str, Any]:
    return {
        "requests": plan.requests,
        "rate": round(plan.rate, 1),
        "load": round(plan.rate / sizes.capacity, 3),
        "streams": plan.streams,
        "stream_s": options.stream_s,
        "ingress": sizes.ingress,
        "models": sizes.models,
        "slots": sizes.slots,
        "service_ms": options.service_ms,
        "redis": sizes.redis,
        "faults": ",".join(fault.name for fault in options.faults),
        "repeat": options.repeat,
        "soak_minutes": options.soak,
    }


def _named(text: str) -> list[Fault]:
    try:
        return parse_faults(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench chaos", description=__doc__)
    add = parser.add_argument
    add("--requests", type=int, default=10_000, help="unary requests, at least")
    add("--load", type=float, default=0.6, help="share of the models' capacity")
    add("--rate", type=float, help="requests/s, instead of --load")
    add("--faults", type=_named, help="groups and names [default: planned,kills; soak: none]")
    add("--repeat", type=int, default=1, help="how often all of them come")
    add("--soak", type=float, metavar="MINUTES", help="load for so long, and watch for growth")
    add("--warm-s", type=float, default=300.0, help="soak: until growth is looked for")
    add("--streams", type=int, default=24, help="open at any time")
    add("--stream-s", type=float, default=20.0, help="length of a stream")
    add("--models", type=int, default=3, help="replicas of each echo model")
    add("--slots", type=int, default=8, help="of a model replica")
    add("--service-ms", type=float, default=100.0, help="time of a unary request in its slot")
    add("--ingress", type=int, default=2, help="ingress replicas")
    add("--recovery-s", dest="recovery_limit_s", type=float, default=120.0, help="at most, a fault")
    add("--engines", type=int, default=2, help="replicas of the OpenVINO model; 0: none")
    add("--redis", action="store_true", help="limits and cache over a private Redis")
    add("--json", type=Path, help="also write the report here")
    add("--report", type=Path, metavar="DIR", help="also write Markdown and plots there")
    add("--check", action="store_true", help="exit 1 if a bound is missed")
    options = parser.parse_args(argv)
    if options.faults is None:
        options.faults = parse_faults("none" if options.soak else "planned,kills")
    return options


if __name__ == "__main__":
    sys.exit(main())
