"""Policies of keys and teams, read from files for the commands that set them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli.output import fail

PolicyFile = Annotated[
    Path | None, typer.Option("--policy", help="The limits as JSON or YAML; {} for none.")
]


def read_policy(file: Path) -> dict[str, Any]:
    """The document in the file; ends the command if there is none."""
    import yaml

    try:
        document = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise typer.Exit(fail(f"{file}: {error}")) from None
    if not isinstance(document, dict):
        raise typer.Exit(fail(f"{file}: is not a policy; a policy is an object"))
    return document
