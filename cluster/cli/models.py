"""`mobula models`: lists the models that are served, and converts a model for the cluster."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from rich.table import Table

from cluster.cli.output import console, fail, print_rich
from cluster.cli.running_cluster import NOT_RUNNING, client, running_state
from cluster.runtime.settings import Settings

COLUMNS = (
    "id",
    "engine",
    "source",
    "revision",
    "context_length",
    "parameters",
    "ready",
    "stands for",
)


def listing() -> int:
    settings = Settings()
    state = running_state(settings)
    if state is None:
        return fail(NOT_RUNNING)
    try:
        with client(state, settings) as http:
            response = http.get("/v1/models").raise_for_status().json()
    except httpx.HTTPError as error:
        return fail(f"{state.url}/v1/models: {error}")
    cards: list[dict[str, object]] = response["data"]
    table = Table(*COLUMNS)
    for card in cards:
        table.add_row(*_cells(card))
    console.print(table)
    return 0


def _cells(card: Mapping[str, Any]) -> list[str]:
    """One row; a name that stands for several models shows these, and nothing of each."""
    root, targets = card.get("root"), card.get("targets") or ()
    shown = {**card, "stands for": root or ", ".join(targets)}
    return [str(shown.get(name, "")) for name in COLUMNS]


def export(source: str, out: Path | None, weights: str) -> int:
    from deployments.model.export import ExportFailed, export_openvino

    home = Settings().home
    name = f"{Path(source).name if Path(source).exists() else source.replace('/', '--')}-{weights}"
    folder = out or home / "models" / name
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    try:
        export_openvino(source, folder, weights, exporter=home / "exporter")
    except ExportFailed as failure:
        return fail(str(failure))
    print_rich(f"converted to {folder}; set that folder as `source` in serve_config.yaml")
    return 0
