"""Hugging Face weights to OpenVINO IR.

In: a model folder or id. Out: a folder with the IR and its tokenizer. optimum-intel needs an older
transformers than Mobula, so it runs in a virtual environment of its own, created on first use from
export-requirements.txt.
"""

import fcntl
import logging
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deployments.model.model_files import has_ir

log = logging.getLogger(__name__)

_REQUIREMENTS = Path(__file__).parent / "export-requirements.txt"
_WITHOUT_DEPENDENCIES = ("optimum==2.3.0", "optimum-intel==2.2.0")
TEXT_TASK, VISION_TASK = "text-generation-with-past", "image-text-to-text"
_TORCH = "torch==2.13.0"


class ExportFailed(RuntimeError):
    """The model could not be converted; the text names the command and the cause."""


def export_openvino(
    source: str | Path,
    out: Path,
    weight_format: str = "fp16",
    exporter: Path | None = None,
    task: str = TEXT_TASK,
) -> None:
    """Convert `source` into `out`, which appears only once it is complete. Raises ExportFailed.

    `task` is optimum's name of what the model does. `exporter` is the virtual environment to use or
    create (default: `exporter` beside `out`).
    Waits for another process that converts the same model.
    """
    exporter = exporter or out.parent / "exporter"
    out.parent.mkdir(parents=True, exist_ok=True)
    with _alone(out.parent / f"{out.name}.lock"):
        if has_ir(out):
            return
        cli = ensure_exporter(exporter)
        partial = out.with_name(f"{out.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        log.info("converting %s to OpenVINO (%s) in %s", source, weight_format, out)
        options = ("--task", task, "--weight-format", weight_format)
        _run([str(cli), "export", "openvino", "-m", str(source), *options, str(partial)])
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
        log.info("converted %s", source)


def ensure_exporter(folder: Path) -> Path:
    """The path of optimum-cli in `folder`, installing it there first where it is missing."""
    cli = folder / "bin" / "optimum-cli"
    complete = folder / ".complete"
    if complete.exists() or (cli.exists() and not folder.joinpath(".building").exists()):
        return cli
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_name(f"{folder.name}.lock")):
        if complete.exists():
            return cli
        log.info("installing the model converter in %s; this happens once", folder)
        venv.create(folder, clear=True, with_pip=True)
        folder.joinpath(".building").touch()
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        _run([*pip, _TORCH])
        _run([*pip, "-r", str(_REQUIREMENTS)])
        _run([*pip, "--no-deps", *_WITHOUT_DEPENDENCIES])
        folder.joinpath(".building").unlink()
        complete.touch()
    return cli


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        tail = (done.stderr or done.stdout).strip()[-1500:]
        raise ExportFailed(f"`{' '.join(command[:6])} ...` failed ({done.returncode}):\n{tail}")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a file lock, waiting for its holder; the system frees it if its holder dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    export_openvino(sys.argv[1], Path(sys.argv[2]), (sys.argv[3:4] or ["fp16"])[0])
