"""Environments of their own for software that is measured beside ours, made with pip or npm.

In: a folder and packages. Out: the packages in that folder; our environment stays as it is.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cluster.cli.requirements import MissingRequirement, require_program


def install_environment(folder: Path, requirements: Sequence[str]) -> None:
    """Makes the environment anew. Raises MissingRequirement if pip cannot install it."""
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([*pip, *requirements], check=True)
    except subprocess.CalledProcessError as error:
        raise MissingRequirement(
            f"this needs {', '.join(requirements)}, which pip could not install: "
            f"exit code {error.returncode}"
        ) from None


def read_package_version(folder: Path, package: str) -> str:
    """The version of an installed package of such an environment."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    command = [str(folder / "bin" / "python"), "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def install_npm_package(folder: Path, package: str) -> Path:
    """The folder of the package, which is installed in `folder` unless it is there already. Raises
    MissingRequirement without npm, or if it cannot install the package."""
    location = folder / "node_modules" / package
    if not (location / "package.json").exists():
        install_npm_packages(folder, [package])
    return location


def install_npm_packages(folder: Path, packages: Sequence[str]) -> None:
    """Installs the packages in `folder`. Raises MissingRequirement as above."""
    npm = str(require_program("npm", "apt-get install npm"))
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", *options, "--prefix", str(folder), *packages]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
    if result.returncode:
        raise MissingRequirement(
            f"this needs {', '.join(packages)}, which npm could not install: "
            f"exit code {result.returncode}"
        )
