"""Every command and its options. Commands import their code when they run: `--help` stays fast."""

from pathlib import Path
from typing import Annotated

import typer

from cluster.cli.api import Key
from cluster.cli.audit import audit
from cluster.cli.batches import batches
from cluster.cli.bench import PASS_THROUGH, bench
from cluster.cli.cache import cache
from cluster.cli.documents import documents
from cluster.cli.health import health
from cluster.cli.jobs import jobs
from cluster.cli.keys import keys
from cluster.cli.library import library
from cluster.cli.logs import logs
from cluster.cli.plans import plans
from cluster.cli.posts import posts
from cluster.cli.scaling import scaling
from cluster.cli.search import search
from cluster.cli.signing_keys import signing_keys
from cluster.cli.teams import teams
from cluster.cli.templates import templates
from cluster.cli.tenants import limits, tenants, usage
from cluster.cli.text import text
from cluster.cli.trace import trace
from cluster.cli.users import users
from cluster.cli.webhooks import webhooks


def _write_for_owner_only() -> None:
    """Sets the umask of this process and its children to owner-only, and removes permissions of
    others from existing files in the home. For commands that write there."""
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
app.add_typer(teams, name="teams")
app.add_typer(users, name="users")
app.add_typer(audit, name="audit")
app.add_typer(webhooks, name="webhooks")
app.add_typer(templates, name="templates")
app.add_typer(library, name="library")
app.add_typer(search, name="search")
app.add_typer(signing_keys, name="signing-keys")
app.add_typer(cache, name="cache")
app.add_typer(text, name="text")
app.add_typer(posts, name="posts")
app.add_typer(jobs, name="jobs")
app.add_typer(batches, name="batches")
app.add_typer(documents, name="documents")
app.add_typer(scaling, name="scaling")
app.add_typer(logs, name="logs")
app.add_typer(bench, name="bench")
app.command()(usage)
app.command()(limits)
app.command()(health)
app.command()(trace)


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is ready; `down` stops it.")
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="Configuration to deploy. [default: serve_config.yaml]")
    ] = None,
    port: Annotated[int | None, typer.Option(help="HTTP port. [default: 8000]")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until it is ready.")] = 300.0,
    profile: Annotated[
        str, typer.Option(help="`fast`: HAProxy in front of Serve. `plain`: Serve's own proxy.")
    ] = "fast",
    logs: Annotated[
        bool, typer.Option("--logs", help="Print every log line, not only warnings and errors.")
    ] = False,
    nodes: Annotated[
        int, typer.Option(min=1, help="Wait for this many nodes, then deploy; others `join`.")
    ] = 1,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Start the configuration that was deployed last, if any."),
    ] = False,
) -> None:
    """Start a cluster on this machine and wait until it is ready."""
    from cluster.cli.up import run

    _write_for_owner_only()
    raise typer.Exit(run(detach, config, port, timeout, profile, logs, nodes, resume=resume))


@app.command()
def deploy(
    config: Annotated[
        Path | None, typer.Option(help="Configuration to apply. [default: serve_config.yaml]")
    ] = None,
    restart: Annotated[
        list[str] | None,
        typer.Option(
            help="Restart these, with their code: a model's id, ingress, clipper, text, media, all."
        ),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until the rollout has finished.")] = True,
    timeout: Annotated[float, typer.Option(help="Seconds to wait.")] = 600.0,
    rollback: Annotated[
        bool, typer.Option(help="Return to the previous configuration if the rollout fails.")
    ] = True,
) -> None:
    """Roll a changed configuration, weights or code onto the running cluster."""
    from cluster.cli.deploy import run

    _write_for_owner_only()
    raise typer.Exit(run(config, restart or [], wait, timeout, rollback))


@app.command()
def join(
    head: Annotated[str, typer.Argument(help="The head's address and port, such as 10.0.0.5:6480")],
    profile: Annotated[str, typer.Option(help="The head's profile: `fast` or `plain`.")] = "fast",
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the head.")] = 60.0,
) -> None:
    """Add this machine as a node to a cluster that `up` started elsewhere; `down` removes it."""
    from cluster.cli.join import run

    _write_for_owner_only()
    raise typer.Exit(run(head, profile, timeout))


@app.command()
def down(
    drain: Annotated[
        float, typer.Option(help="Seconds for running requests to finish; 0: none.")
    ] = 10.0,
) -> None:
    """Stop the cluster and every process it started. Does nothing if none runs."""
    from cluster.cli.down import run

    raise typer.Exit(run(drain))


@app.command()
def status(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Refresh each second, until Ctrl-C.")
    ] = False,
) -> None:
    """Show processes, replicas and load. Exit code 0 only if the cluster answers requests."""
    from cluster.cli.status import run

    raise typer.Exit(run(watch))


@app.command()
def demo() -> None:
    """Demonstrate the running cluster: captions by HTTP and from a Ray job, clips of a video."""
    from cluster.cli.demo import run

    _write_for_owner_only()
    raise typer.Exit(run())


@app.command()
def clip(
    file: Annotated[Path, typer.Argument(help="The recording.")],
    transcript: Annotated[
        Path | None, typer.Option("--transcript", "-s", help="The transcript: .srt, .vtt or .json.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the clips.")] = Path("clips"),
    count: Annotated[int, typer.Option("--count", "-n", help="Maximum number of clips.")] = 5,
    shortest: Annotated[float, typer.Option("--min", help="Minimum length in seconds.")] = 15.0,
    longest: Annotated[float, typer.Option("--max", help="Maximum length in seconds.")] = 60.0,
    start: Annotated[float, typer.Option(help="First second of the part to use.")] = 0.0,
    end: Annotated[float | None, typer.Option(help="Last second of the part to use.")] = None,
    aspect: Annotated[
        list[str] | None, typer.Option("--aspect", "-a", help="9:16, 1:1, 4:5, 16:9; repeat.")
    ] = None,
    quality: Annotated[str, typer.Option(help="draft, standard or final.")] = "standard",
    captions: Annotated[str, typer.Option(help="A caption style, or none.")] = "karaoke",
    framing: Annotated[str, typer.Option(help="auto, follow or fit.")] = "auto",
    keyword: Annotated[
        list[str] | None,
        typer.Option("--keyword", "-k", help="Keywords that raise a highlight's score; repeat."),
    ] = None,
    language: Annotated[str | None, typer.Option(help="Such as en or pt-BR.")] = None,
    audio_track: Annotated[
        int | None,
        typer.Option(help="Number of the audio track, from 1. [default: chosen by rule]"),
    ] = None,
    keep_labels: Annotated[
        bool, typer.Option(help="Burn in sound labels and speakers' names as well.")
    ] = False,
    key: Key = None,
) -> None:
    """Make clips of a recording: upload it, follow the job, save each clip when it is ready.

    Resumes after a broken connection. Exit code 3: some clips could not be made.
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
def transcribe(
    file: Annotated[Path, typer.Argument(help="A recording, or a video.")],
    format: Annotated[
        str, typer.Option("--format", "-f", help="text, srt, vtt, json, or analysis.")
    ] = "text",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file. [default: stdout]")
    ] = None,
    language: Annotated[str | None, typer.Option("--language", "-l", help="Such as en.")] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="Names and spellings that are to be expected.")
    ] = None,
    translate: Annotated[bool, typer.Option("--translate", help="Into English.")] = False,
    key: Key = None,
) -> None:
    """Write down what is said in a recording; `analysis` also tells loudness and silences."""
    from cluster.cli.transcribe import run

    raise typer.Exit(run(file, format, out, key, language, prompt, translate))


@app.command()
def bootstrap(
    accept_newer: Annotated[
        bool, typer.Option(help="Accept tables of a newer version and change nothing.")
    ] = False,
    adopt_rows: Annotated[
        bool,
        typer.Option(help="Sign the stored keys and users as they are, without verification."),
    ] = False,
) -> None:
    """Prepare the database (tables, first tenant, its key) for installations without `up`."""
    from cluster.cli.bootstrap import run

    _write_for_owner_only()
    raise typer.Exit(run(accept_newer, adopt_rows))


@app.command()
def manifests(
    kind: Annotated[str, typer.Argument(help="kubernetes, compose, images or systemd.")],
    values: Annotated[
        Path | None,
        typer.Option(help="File of values for this installation. [default: the defaults]"),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Configuration to serve. [default: serve_config.yaml]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder. [default: print to the screen]")
    ] = None,
    allow_tags: Annotated[
        bool, typer.Option("--allow-tags", help="Accept images without a digest.")
    ] = False,
) -> None:
    """Write manifests for a production installation; see docs/guides/production.md."""
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
    """Check this machine. Exit code 1 if `up` cannot work here."""
    from cluster.cli.doctor import run

    raise typer.Exit(run())


@models.callback(invoke_without_command=True)
def models_list(context: typer.Context) -> None:
    """List the models of the running cluster, and the other names by which they answer."""
    if context.invoked_subcommand is None:
        from cluster.cli.models import listing

        raise typer.Exit(listing())


@models.command("export")
def models_export(
    source: Annotated[str, typer.Argument(help="Hugging Face id, or a folder.")],
    out: Annotated[
        Path | None, typer.Argument(help="Output folder. [default: <home>/models/<name>]")
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
