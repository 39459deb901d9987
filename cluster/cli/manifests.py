"""`mobula manifests`: writes the files of a production installation to a folder or the terminal."""

from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from cluster.cli.config_problems import find_application_problems
from cluster.cli.output import fail, print_plain, print_rich
from cluster.production.render import KINDS, Kind, images, render
from cluster.production.values import InvalidValues, Values, parse, read_yaml, unpinned
from cluster.runtime.installation import default_config

UNPINNED_ADVICE = (
    "has no digest (name@sha256:...), and a tag may change: set digests in the values, or pass "
    "--allow-tags"
)


def run(
    kind: str, values: Path | None, config: Path | None, out: Path | None, allow_tags: bool = False
) -> int:
    """The exit code. Images without a digest are refused unless `allow_tags`."""
    chosen = next((each for each in get_args(Kind) if each == kind), None)
    if chosen is None:
        return fail(f"no manifests of '{kind}'; kinds: {', '.join(KINDS)}")
    try:
        parsed_values = Values() if values is None else parse(read_yaml(values))
        files = render(chosen, parsed_values, _load_config(config or default_config()))
        unpinned_images = {} if allow_tags else unpinned(images(chosen, parsed_values))
        if unpinned_images:
            raise InvalidValues(
                "\n".join(
                    f"{field}: {name} {UNPINNED_ADVICE}" for field, name in unpinned_images.items()
                )
            )
    except InvalidValues as invalid:
        return fail(str(invalid))
    if out is None:
        _print(files)
        return 0
    for name, text in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    print_rich(f"{len(files)} files written to {out}")
    return 0


def _load_config(path: Path) -> dict[str, Any]:
    """Reads and validates the Serve configuration. Raises InvalidValues."""
    from graphs.args import AppArgs

    config = read_yaml(path)
    for application in config.get("applications") or ():
        try:
            AppArgs.model_validate(application.get("args") or {})
        except ValidationError as error:
            raise InvalidValues(f"{path}: {error}") from None
    if problems := find_application_problems(config):
        raise InvalidValues("\n".join(f"{path}: {problem}" for problem in problems))
    return config


def _print(files: dict[str, str]) -> None:
    for name, text in files.items():
        if len(files) > 1:
            print_plain(f"# ---- {name}")
        print_plain(text)
