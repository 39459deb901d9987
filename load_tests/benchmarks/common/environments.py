"""Environments of their own for software that is measured beside ours, made with pip.

In: a folder and requirements. Out: a virtual environment there; ours stays as it is.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cluster.cli.requirements import MissingRequirement


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
