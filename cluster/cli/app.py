"""Every command and its options. Each imports what it needs when it runs, so `--help` is quick."""

from pathlib import Path
from typing import Annotated

import typer

from cluster.cli.api import Key
from cluster.cli.audit import audit
from cluster.cli.bench import PASS_THROUGH, bench
from cluster.cli.cache import cache
from cluster.cli.jobs import jobs
from cluster.cli.keys import keys
from cluster.cli.plans import plans
from cluster.cli.scaling import scaling
from cluster.cli.signing_keys import signing_keys
from cluster.cli.tenants import limits, tenants
from cluster.cli.usage import usage
from cluster.cli.users import users
from cluster.cli.webhooks import webhooks


def _write_for_owner_only() -> None:
    """For the commands that write into the home, and for all that they start. What an earlier
    version has left open there is closed."""
    from cluster.runtime.settings import Settings
    from cluster.storage.files import make_private, write_for_owner_only

    write_for_owner_only()
    home = Settings().home
    if home.is_dir():
        make_private(home)


app = typer.Typer(
    help="Run and use a Mobula inference cluster on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models = typer.Typer(help="List models, convert one, train the shipped one.")
app.add_typer(models, name="models")
app.add_typer(tenants, name="tenants")
app.add_typer(plans, name="plans")
app.add_typer(keys, name="keys")
app.add_typer(users, name="users")
app.add_typer(audit, name="audit")
app.add_typer(webhooks, name="webhooks")
app.add_typer(signing_keys, name="signing-keys")
app.add_typer(cache, name="cache")
app.add_typer(jobs, name="jobs")
app.add_typer(scaling, name="scaling")
app.add_typer(bench, name="bench")
app.command()(usage)
app.command()(limits)


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is ready; `down` ends it.")
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="What to deploy. [default: serve_config.yaml]")
    ] = None,
    port: Annotated[int | None, typer.Option(help="HTTP port. [default: 8000]")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until it is ready.")] = 300.0,
    profile: Annotated[
        str, typer.Option(help="`fast`: HAProxy in front of Serve. `plain`: Serve's own proxy.")
    ] = "fast",
    logs: Annotated[
        bool, typer.Option("--logs", help="Follow every log line, not only warnings and errors.")
    ] = False,
    nodes: Annotated[
        int, typer.Option(min=1, help="Deploy once so many nodes are here; others `join`.")
    ] = 1,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Start what was deployed last, if anything was."),
    ] = False,
) -> None:
    """Start a cluster on this machine and wait until it is ready."""
    from cluster.cli.up import run

    _write_for_owner_only()
    raise typer.Exit(run(detach, config, port, timeout, profile, logs, nodes, resume=resume))


@app.command()
def deploy(
    config: Annotated[
        Path | None, typer.Option(help="What is to run. [default: serve_config.yaml]")
    ] = None,
    restart: Annotated[
        list[str] | None,
        typer.Option(help="Start these anew, code included: a model's id, ingress, clipper, all."),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until nothing else runs.")] = True,
    timeout: Annotated[float, typer.Option(help="Seconds to wait.")] = 600.0,
    rollback: Annotated[
        bool, typer.Option(help="Where it fails, go back to what ran before.")
    ] = True,
) -> None:
    """Roll a changed configuration, weights or code onto the running cluster."""
    from cluster.cli.deploy import run

    _write_for_owner_only()
    raise typer.Exit(run(config, restart or [], wait, timeout, rollback))


@app.command()
def join(
    head: Annotated[str, typer.Argument(help="The head's address and port, such as 10.0.0.5:6480")],
    profile: Annotated[str, typer.Option(help="The head's: `fast` or `plain`.")] = "fast",
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the head.")] = 60.0,
) -> None:
    """Make this machine a node of a cluster that `up` started elsewhere; `down` lets it go."""
    from cluster.cli.join import run

    _write_for_owner_only()
    raise typer.Exit(run(head, profile, timeout))


@app.command()
def down(
    drain: Annotated[
        float, typer.Option(help="Seconds that running requests get to finish; 0: none.")
    ] = 10.0,
) -> None:
    """End the cluster and everything it started. Does nothing if there is none."""
    from cluster.cli.down import run

    raise typer.Exit(run(drain))


@app.command()
def status(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show it anew each second, until Ctrl-C.")
    ] = False,
) -> None:
    """Show what runs and how it does. Exit code 0 only if the cluster answers requests."""
    from cluster.cli.status import run

    raise typer.Exit(run(watch))


@app.command()
def demo() -> None:
    """Captions from the running cluster, by HTTP and from a Ray job, and clips of a video."""
    from cluster.cli.demo import run

    _write_for_owner_only()
    raise typer.Exit(run())


@app.command()
def clip(
    file: Annotated[Path, typer.Argument(help="The recording.")],
    transcript: Annotated[
        Path | None, typer.Option("--transcript", "-s", help="What is said: .srt, .vtt or .json.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where clips are saved.")] = Path(
        "clips"
    ),
    count: Annotated[int, typer.Option("--count", "-n", help="Clips at most.")] = 5,
    shortest: Annotated[float, typer.Option("--min", help="Seconds of the shortest.")] = 15.0,
    longest: Annotated[float, typer.Option("--max", help="Seconds of the longest.")] = 60.0,
    start: Annotated[float, typer.Option(help="Only from this second on.")] = 0.0,
    end: Annotated[float | None, typer.Option(help="Only up to this second.")] = None,
    aspect: Annotated[
        list[str] | None, typer.Option("--aspect", "-a", help="9:16, 1:1, 4:5, 16:9; repeat.")
    ] = None,
    quality: Annotated[str, typer.Option(help="draft, standard or final.")] = "standard",
    captions: Annotated[str, typer.Option(help="A style, or none.")] = "karaoke",
    framing: Annotated[str, typer.Option(help="auto, follow or fit.")] = "auto",
    keyword: Annotated[
        list[str] | None, typer.Option("--keyword", "-k", help="What attracts; repeat.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Such as en or pt-BR.")] = None,
    audio_track: Annotated[
        int | None,
        typer.Option(help="Which of the recording's audio tracks, from 1. [default: by rule]"),
    ] = None,
    keep_labels: Annotated[
        bool, typer.Option(help="Burn in sound labels and speakers' names, too.")
    ] = False,
    key: Key = None,
) -> None:
    """Make clips of a recording: upload it, watch the job, save the clips as they are ready.

    Goes on after a broken connection. Exit code 3: some clips could not be made.
    """
    from cluster.cli.clip import run

    options = {
        "count": count,
        "min_s": shortest,
        "max_s": longest,
        "start": start,
        "end": end,
        "aspects": aspect or ["9:16"],
        "quality": quality,
        "captions": captions,
        "framing": framing,
        "keywords": keyword or [],
        "language": language,
        "audio_track": audio_track,
        "keep_labels": keep_labels,
    }
    raise typer.Exit(run(file, transcript, out, key, options))


@app.command()
def bootstrap(
    accept_newer: Annotated[
        bool, typer.Option(help="Leave tables alone that a newer version has made.")
    ] = False,
    adopt_rows: Annotated[
        bool,
        typer.Option(help="Trust the keys and users in the store as they are, and sign them."),
    ] = False,
) -> None:
    """Make the store ready (tables, first tenant, its key) where nobody runs `up`."""
    from cluster.cli.bootstrap import run

    _write_for_owner_only()
    raise typer.Exit(run(accept_newer, adopt_rows))


@app.command()
def manifests(
    kind: Annotated[str, typer.Argument(help="kubernetes, compose, images or systemd.")],
    values: Annotated[
        Path | None, typer.Option(help="What is particular here. [default: the defaults]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="What to serve. [default: serve_config.yaml]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A folder. [default: print everything]")] = None,
    allow_tags: Annotated[
        bool, typer.Option("--allow-tags", help="Take images without a digest as well.")
    ] = False,
) -> None:
    """Write what a production installation needs; docs/guides/production.md explains it."""
    from cluster.cli.manifests import run

    raise typer.Exit(run(kind, values, config, out, allow_tags))


@app.command("test")
def run_tests(
    tiers: Annotated[
        list[str] | None, typer.Argument(help="lint, or folders of tests/. [default: all]")
    ] = None,
    k: Annotated[str | None, typer.Option("-k", help="Only tests whose name matches.")] = None,
    x: Annotated[bool, typer.Option("-x", help="Stop at the first failure.")] = False,
    exhaustive: Annotated[
        bool, typer.Option("--all", help="Also long matrices (marked `exhaustive`), more examples.")
    ] = False,
) -> None:
    """Run the checks and tests, quickest tier first."""
    from cluster.cli.test_tiers import run

    raise typer.Exit(run(tiers or [], k, x, exhaustive))


@app.command()
def doctor() -> None:
    """Check this machine. Exit code 1 if something would keep `up` from working."""
    from cluster.cli.doctor import run

    raise typer.Exit(run())


@models.callback(invoke_without_command=True)
def models_list(context: typer.Context) -> None:
    """List the models of the running cluster."""
    if context.invoked_subcommand is None:
        from cluster.cli.models import listing

        raise typer.Exit(listing())


@models.command("export")
def models_export(
    source: Annotated[str, typer.Argument(help="Hugging Face id, or a folder.")],
    out: Annotated[
        Path | None, typer.Argument(help="Where to. [default: <home>/models/<name>]")
    ] = None,
    weights: Annotated[str, typer.Option(help="fp32, fp16, int8 or int4.")] = "fp16",
) -> None:
    """Convert a Hugging Face model for the openvino engine, in an environment of its own."""
    from cluster.cli.models import export

    if out is None:
        _write_for_owner_only()
    raise typer.Exit(export(source, out, weights))


@models.command("train-nano", context_settings=PASS_THROUGH)
def models_train_nano(context: typer.Context) -> None:
    """Train the shipped nano model again from its recipe."""
    from cluster.cli.run_module import module

    raise typer.Exit(module("training", ["nano", *context.args]))
