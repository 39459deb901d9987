"""`./mobula bench hostile-input`: requests that are hard to read, at a running application.

Prints the slowest ones, what a neighbour of theirs waited for `/healthz`, and the largest lag of
each stage's event loop: of every deployment where the cluster runs on this machine under this
MOBULA_HOME, else of the ingress. On a machine that does other things both also wait for a core.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import httpx
from rich.console import Console
from rich.table import Table

from cluster.cli.requirements import MissingRequirement
from cluster.ops import cluster_state as states
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import admin_key
from load_tests.benchmarks.common.event_loop_lags import EventLoopLags
from load_tests.benchmarks.faults.hostile_requests import (
    HostileOutcome,
    HostileRequest,
    read_ingress_lag,
    requests,
    send_all,
)
from load_tests.benchmarks.faults.hostile_videos import ORDINARY, clip_all

LAG_S = 0.02  # no single request holds an event loop for longer
SHOWN = 15
REMEMBERED_S = 10.0  # how long a stage remembers its lag
_EACH = 50  # requests between two readings of the lag


Lags = Callable[[], Awaitable[Mapping[str, float]]]


async def measure(
    client: httpx.AsyncClient, key: str, hostile: Iterable[HostileRequest], lags_of: Lags
) -> tuple[list[HostileOutcome], dict[str, float]]:
    """Every outcome, and the largest lag of each stage in seconds."""
    outcomes: list[HostileOutcome] = []
    lags = dict(await lags_of())
    async for outcome in send_all(client, key, hostile):
        outcomes.append(outcome)
        if len(outcomes) % _EACH == 0:
            _raise_to(lags, await lags_of())
    _raise_to(lags, await lags_of())
    return outcomes, lags


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    settings = Settings()
    key = options.key or admin_key(settings.home, settings)
    if key is None:
        raise MissingRequirement("there is no key here: pass --key")
    try:
        httpx.get(options.url, timeout=10, trust_env=False)
    except httpx.HTTPError:
        raise MissingRequirement(f"nothing answers at {options.url}") from None
    outcomes, lags = asyncio.run(_run(options, key))
    _show(outcomes, lags)
    return 0 if all(lag <= LAG_S for lag in lags.values()) else 1


async def _run(
    options: argparse.Namespace, key: str
) -> tuple[list[HostileOutcome], dict[str, float]]:
    stages = _stages(options)
    async with httpx.AsyncClient(base_url=options.url, timeout=60, trust_env=False) as client:

        async def lags_of() -> Mapping[str, float]:
            if stages is not None:
                return await asyncio.to_thread(stages)
            return await read_ingress_lag(client, key)

        hostile = requests(options.body_bytes, options.header_bytes)
        outcomes, lags = await measure(client, key, hostile, lags_of)
        if options.transcript_bytes:
            async for name, state in clip_all(client, key, options.transcript_bytes):
                print(f"clips with a transcript of {name}: {state}")
                if name == ORDINARY:
                    await asyncio.sleep(REMEMBERED_S)
                else:
                    _raise_to(lags, await lags_of())
    return outcomes, lags


def _stages(options: argparse.Namespace) -> EventLoopLags | None:
    """Of the cluster of this home, if that is the one at `--url`."""
    home = Settings().home
    state = states.load(home)
    if state is None or state.url != options.url:
        return None
    return EventLoopLags(state, home)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    settings = Settings()
    parser = argparse.ArgumentParser(prog="mobula bench hostile-input", description=__doc__)
    parser.add_argument("--url", default=f"http://{settings.host}:{settings.http_port}")
    parser.add_argument("--key", help="an API key; by default this machine's admin key")
    parser.add_argument("--body-bytes", type=int, default=(1 << 20) - 1024)
    parser.add_argument("--header-bytes", type=int, default=7_000)
    parser.add_argument(
        "--transcript-bytes", type=int, default=1 << 18, help="of clips' transcripts; 0: no clips"
    )
    return parser.parse_args(argv)


def _raise_to(lags: dict[str, float], others: Mapping[str, float]) -> None:
    for stage, lag in others.items():
        lags[stage] = max(lag, lags.get(stage, 0.0))


def _show(outcomes: Sequence[HostileOutcome], lags: dict[str, float]) -> None:
    table = Table("request", "status", "ms", "answer, bytes", "neighbour, ms")
    slowest = sorted(outcomes, key=lambda each: each.took_s, reverse=True)[:SHOWN]
    for each in slowest:
        row = (
            f"{each.request.method} {each.request.path[:40]}: {each.request.name}",
            str(each.status),
            f"{each.took_s * 1e3:.1f}",
            str(each.answer_bytes),
            f"{each.neighbour_s * 1e3:.1f}",
        )
        table.add_row(*row)
    console = Console()
    console.print(table)
    failed = sum(each.status == 0 or each.status >= 500 for each in outcomes)
    console.print(f"{len(outcomes)} requests, {failed} without an answer or with a 5xx")
    for stage, lag in lags.items():
        console.print(f"largest loop lag, {stage}: {lag * 1e3:.1f} ms (at most {LAG_S * 1e3:.0f})")


if __name__ == "__main__":
    sys.exit(main())
