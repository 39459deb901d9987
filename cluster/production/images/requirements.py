"""Prints the requirements of pyproject.toml in this folder, and of the extras that are named."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
unknown = sorted(set(sys.argv[1:]) - extras.keys())
if unknown:
    sys.exit(f"no such extra: {', '.join(unknown)}; there are: {', '.join(extras)}")
groups = [project["dependencies"], *(extras[name] for name in sys.argv[1:])]
sys.stdout.write("".join(f"{line}\n" for group in groups for line in group))
