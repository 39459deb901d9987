"""Starts a module of ours in a child that cannot list the folder of our packages.

Run as `python -P start.py MODULE PACKAGE_FOLDER... -- ARGUMENT...`, it is `python -m MODULE` with
only these packages importable.
"""

import importlib.machinery
import importlib.util
import runpy
import sys
from pathlib import Path


def register_package(folder: Path) -> None:
    """Registers the package as if its parent folder were on the path."""
    search_locations = [str(folder)]
    init = folder / "__init__.py"
    if not init.exists():
        spec = importlib.machinery.ModuleSpec(folder.name, None, is_package=True)
        spec.submodule_search_locations = search_locations
    else:
        file_spec = importlib.util.spec_from_file_location(
            folder.name, init, submodule_search_locations=search_locations
        )
        assert file_spec is not None
        spec = file_spec
    package = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = package
    if spec.loader is not None:
        spec.loader.exec_module(package)


if __name__ == "__main__":
    end = sys.argv.index("--")
    module, folders, rest = sys.argv[1], sys.argv[2:end], sys.argv[end + 1 :]
    for folder in folders:
        register_package(Path(folder))
    sys.argv[1:] = rest
    runpy.run_module(module, run_name="__main__", alter_sys=True)
