"""Locations of this installation's files: in a clone of the repository, or in installed packages.

A clone has its state and its configuration in its root. Installed by pip, state and configuration
are in the working directory, and the files that a clone has beside the packages are package data
(`[tool.hatch.build]` in pyproject.toml).
"""

import sys
from pathlib import Path

import cluster

ROOT = Path(cluster.__file__).resolve().parent.parent  # the folder of the top-level packages
CONFIG = "serve_config.yaml"
_PACKAGE_DATA = ROOT / "cluster" / "shipped"
IN_CLONE = not _PACKAGE_DATA.is_dir()  # only wheels have it


def working_folder() -> Path:
    """The folder of the state, and the base of relative paths in the configuration."""
    return ROOT if IN_CLONE else Path.cwd()


def shipped_file(name: str) -> Path:
    """A file of the repository outside of the packages; `name` is its path from the root."""
    return (ROOT if IN_CLONE else _PACKAGE_DATA) / name


def default_config() -> Path:
    """The configuration of the working folder, else the shipped one."""
    own = working_folder() / CONFIG
    return own if own.exists() else shipped_file(CONFIG)


def command() -> list[str]:
    """The command that runs `mobula` in a new process; arguments follow."""
    return [str(ROOT / "mobula")] if IN_CLONE else [sys.executable, "-m", "cluster.cli"]
