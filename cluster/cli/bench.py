"""`./mobula bench ...`: the benchmarks of load_tests/benchmarks, by group.

`bench GROUP NAME` and `bench NAME` run the same benchmark with the options that follow. A group
that has the name of one of its benchmarks runs that one, unless the name of another one follows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import typer

PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@dataclass(frozen=True)
class Group:
    """Benchmarks of one subject: `benchmarks` maps their names to one sentence each."""

    summary: str
    benchmarks: dict[str, str]


GROUPS = {
    "speed": Group(
        "Requests and tokens a second, and what a request costs.",
        {
            "path": "Requests a second and overhead of the request path.",
            "stream": "How much of the engine's speed reaches an HTTP client that streams.",
            "engine": "Tokens a second of an engine, without Serve.",
            "tools": "Whether forced tool calls are valid, over random tools and prompts.",
            "structured": "Responses held to random schemas: valid, fast, and no delay for others.",
            "embeddings": "Latency of an embedding model on each engine, without Serve.",
            "compare": "Mobula, bare Serve, LiteLLM, SMG and Portkey side by side.",
            "capacity": "What a request costs each process, and what N nodes carry.",
            "cpu": "CPU time of our own code for one request, in one process.",
            "guardrails": "Time to the first token with guardrails; planted data in streams.",
            "doors": "Files, functions and calls of our own code that one chat passes.",
            "observe": "CPU of counting a request, and of not tracing it.",
            "metrics": "A scrape of the metrics: cost, bounds, and whether its figures are right.",
            "traces": "Whether all traces that should be there are there, and are complete.",
            "upstream-client": "CPU time of a call of a provider over HTTP, beside other clients.",
            "load": "Simulated users on a running or private cluster, with thresholds.",
            "up": "Time of a warm `up` beside `ray start` and `serve deploy`.",
            "room": "Time, memory and reserved CPUs of a default `up`.",
        },
    ),
    "cache": Group(
        "The cache: speed, hit ratio, correctness, memory.",
        {
            "cache": "Speed, latency, coalescing, invalidation and timing of cached responses.",
            "hit-ratio": "Hit ratio of SIEVE beside LRU, simulated.",
            "semantic": "Correctness of the semantic cache on labelled paraphrases.",
            "cache-memory": "Memory of the cache under an adversarial flood of keys.",
            "followers": "Responses of followers whose leader gave up the computation.",
        },
    ),
    "limits": Group(
        "Limits, fairness and usage.",
        {
            "limits": "Slots that aborted streams and a killed replica leave behind.",
            "limit-simulation": "Overshoot of the distributed limiter, simulated.",
            "limit-scale": "Thousands of tenants at many ingress replicas, simulated.",
            "fairness": "How tenants share a saturated model, over HTTP.",
            "ledger": "Whether the usage ledger equals the tokens generated.",
        },
    ),
    "content": Group(
        "Text analysis and content: quality and cost.",
        {
            "optimize": "Drafts optimised: gains, harm, what is kept, what it costs.",
            "search": "Collections searched: quality, recall, times, memory, restarts.",
            "documents": "Questions about planted facts: passages, quotes, refusals, lies.",
            "library": "Pages and searches of a library of 100,000 posts, on both stores.",
            "speech": "Speech recognised: word errors, times, cost; silence, noise and music.",
            "batch": "Batches over files: killed workers, people beside them, memory, cancelling.",
            "text": "Text analysis beside VADER and YAKE; latency, CPU, a killed replica.",
        },
    ),
    "video": Group(
        "Video: cost of clips, quality of highlights.",
        {
            "video": "Clips beside ffmpeg, PySceneDetect and MoviePy; a whole job; memory.",
            "highlights": "Ranking of planted highlights beside chance and loudness.",
        },
    ),
    "faults": Group(
        "What callers notice while parts of a cluster fail or are attacked.",
        {
            "chaos": "Constant load while parts of a private cluster change or are killed.",
            "failover": "Replicas of a model die, hang or slow down.",
            "recovery": "`up -d` whose GCS, raylet, HAProxy or controller is killed.",
            "nodes": "Three Ray nodes on this machine: the head is lost, then a node.",
            "slow-clients": "Thousands of connections that never become requests.",
            "health": "Whether health and metrics show which part of a cluster is at fault.",
            "disconnects": "How soon a request ends whose client has left.",
            "panels": "Whether every panel of the dashboards has data under traffic.",
            "alerts": "Which alert fires for which fault, how soon, and what the overview shows.",
            "hostile-input": "Requests that are expensive to parse: lag of each event loop.",
        },
    ),
    "scaling": Group(
        "Autoscaling and routing policies, simulated.",
        {
            "autoscaling": "Scaling policies beside Serve's own and the optimum.",
            "routing": "Response times of each routing policy beside Serve's.",
        },
    ),
}
HELP = ("-h", "--help")
STARTS_TREES = ("room",)  # benchmarks that start `up` of another commit themselves

bench = typer.Typer(
    help="Measure this machine. `mobula bench GROUP NAME` and `mobula bench NAME` are the same; "
    "each benchmark has a --help of its own. With `--against REV` it also runs on another commit, "
    "in turn, and shows the ratios.",
    no_args_is_help=True,
    context_settings={"help_option_names": [*HELP]},
)


def run_benchmark(group: str, name: str, arguments: Sequence[str]) -> int:
    """`main(arguments)` of the benchmark's module, or it and that of another commit in turn."""
    from cluster.cli.run_module import main_of

    if name not in STARTS_TREES and any(
        word.partition("=")[0] == "--against" for word in arguments
    ):
        return main_of("load_tests.benchmarks.against.run", [name, *arguments])
    module = f"load_tests.benchmarks.{group}.bench_{name.replace('-', '_')}"
    return main_of(module, arguments)


def run_group(group: str, arguments: Sequence[str]) -> int:
    """The benchmark that the first argument names; without one, the group's namesake or help."""
    benchmarks = GROUPS[group].benchmarks
    if arguments and arguments[0] in benchmarks:
        return run_benchmark(group, arguments[0], arguments[1:])
    wants_help = bool(arguments) and arguments[0] in HELP
    if wants_help or (not arguments and group not in benchmarks):
        _print_group(group)
    if group in benchmarks:
        return run_benchmark(group, group, arguments)
    if wants_help or not arguments:
        return 0
    names = ", ".join(benchmarks)
    typer.echo(f"{arguments[0]!r} is no benchmark of '{group}': {names}", err=True)
    return 2


def _print_group(group: str) -> None:
    benchmarks = GROUPS[group].benchmarks
    typer.echo(f"{GROUPS[group].summary}\n")
    width = max(map(len, benchmarks))
    for name, summary in benchmarks.items():
        typer.echo(f"  mobula bench {group} {name:<{width}}  {summary}")
    typer.echo("")


def _benchmark_command(group: str, name: str) -> Callable[[typer.Context], None]:
    def command(context: typer.Context) -> None:
        if name == group:
            raise typer.Exit(run_group(group, context.args))
        raise typer.Exit(run_benchmark(group, name, context.args))

    return command


def _group_command(group: str) -> Callable[[typer.Context], None]:
    def command(context: typer.Context) -> None:
        raise typer.Exit(run_group(group, context.args))

    return command


for _group_name, _group in GROUPS.items():
    for _name, _summary in _group.benchmarks.items():
        bench.command(
            _name,
            help=_summary,
            context_settings=PASS_THROUGH,
            rich_help_panel=f"Group {_group_name}: {_group.summary}",
        )(_benchmark_command(_group_name, _name))
    if _group_name not in _group.benchmarks:
        bench.command(_group_name, help=_group.summary, context_settings=PASS_THROUGH, hidden=True)(
            _group_command(_group_name)
        )
