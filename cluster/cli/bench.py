"""`./mobula bench ...`: measurements; most live in load_tests/ and have options of their own."""

from collections.abc import Callable
from typing import Annotated

import typer

PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
MEASUREMENTS = {
    "engine": "Tokens a second of an engine, without Serve.",
    "path": "Requests a second and overhead of the request path.",
    "compare": "Mobula, bare Serve and LiteLLM side by side.",
    "stream": "How much of the engine's speed reaches an HTTP client that streams.",
    "load": "Simulated users on a running or private cluster, in a shape, with thresholds.",
    "slow-clients": "What others notice of thousands of connections that never become requests.",
    "chaos": "Constant load while parts of a private cluster change or are killed.",
    "nodes": "Three Ray nodes on this machine: the head is lost and comes back, then a node.",
    "capacity": "What a request costs each part, and what so many nodes carry.",
    "autoscaling": "Our scaling policies beside Serve's own and the best possible, simulated.",
    "recovery": "`up -d` whose GCS, raylet, HAProxy or controller is killed: seconds, and losses.",
    "failover": "What callers notice when replicas of a model die, hang or fall ill.",
    "fairness": "How tenants share a saturated model, over HTTP.",
    "routing": "Response times under each routing policy beside Serve's, simulated.",
    "followers": "Callers who waited for a computation that whoever began it has given up.",
    "limits": "Slots that given-up streams leave behind, and a killed replica.",
    "cache": "Kept answers: speed, latency, coalescing, invalidation, and what timing gives away.",
    "video": "Clips of videos beside ffmpeg, PySceneDetect and MoviePy; a whole job; memory.",
    "highlights": "Planted highlights and decoys: what ranking finds, beside chance and loudness.",
}

bench = typer.Typer(help="Measure this machine.", no_args_is_help=True)


def _measuring(name: str, about: str) -> Callable[[typer.Context], None]:
    def measure(context: typer.Context) -> None:
        from cluster.cli.delegate import main_of

        raise typer.Exit(main_of(f"load_tests.bench_{name.replace('-', '_')}", context.args))

    measure.__doc__ = about
    return measure


for _name, _about in MEASUREMENTS.items():
    bench.command(_name, context_settings=PASS_THROUGH)(_measuring(_name, _about))


@bench.command("up")
def bench_up(
    rounds: Annotated[int, typer.Option(help="Starts of each kind, interleaved.")] = 3,
) -> None:
    """Time of a warm `up` against `ray start` + `serve deploy` of a hello application."""
    from cluster.cli.bench_up import run

    raise typer.Exit(run(rounds))
