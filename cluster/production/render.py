"""Values in, files out: what `./mobula manifests` writes. Equal values give equal bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from cluster.production import compose, kubernetes, monitoring, systemd
from cluster.production.values import Values, is_built_here

Kind = Literal["kubernetes", "compose", "images", "systemd"]
KINDS: tuple[Kind, ...] = get_args(Kind)
IMAGES = Path(__file__).with_name("images")


class _Dumper(yaml.SafeDumper):
    """Lists under a key are indented, texts of several lines stay as they are, no aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def render(kind: Kind, values: Values, serve_config: dict[str, Any]) -> dict[str, str]:
    """File names and their content. Raises BadValues."""
    if kind == "kubernetes":
        return {
            "mobula.yaml": as_yaml(kubernetes.render_objects(values, serve_config)),
            **{name: as_yaml(each) for name, each in monitoring.render_objects(values).items()},
        }
    if kind == "compose":
        return compose.render_files(values, as_yaml)
    if kind == "systemd":
        return systemd.files(values)
    return {path.name: path.read_text() for path in sorted(IMAGES.iterdir()) if path.is_file()}


def images(kind: Kind, values: Values) -> dict[str, str]:
    """Every image that is pulled from somewhere, by its field in the values."""
    own = {"image": values.image}
    if kind == "kubernetes":
        return own | ({"gpu_workers.image": values.gpu_workers.image} if values.gpu_workers else {})
    if kind == "compose":
        names = ("redis", "postgres", "prometheus", "grafana")
        own = {} if is_built_here(values.image) else own
        return own | {f"compose.{name}": getattr(values.compose, name) for name in names}
    return {}


def as_yaml(documents: Sequence[Any]) -> str:
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=100)
