"""aiperf: a short streaming profile. It takes tokenizers by name only, from the hub's cache."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import KEY, MODEL, ROOT, check, run

NANO = Path(__file__).parents[3] / "deployments" / "model" / "nano"  # for its tokenizer


def _hub_cache() -> str:
    """A cache of the hub that holds nano's tokenizer as `mobula/nano`."""
    home = Path(tempfile.mkdtemp())
    repository = home / "hub" / "models--mobula--nano"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        shutil.copy(NANO / name, snapshot)
    return str(home)


@check
def profile_of_streaming_chats() -> None:
    command = [
        str(Path(sys.executable).parent / "aiperf"),
        "profile",
        *("--model", MODEL, "--url", ROOT, "--endpoint-type", "chat", "--streaming"),
        *("--request-count", "4", "--concurrency", "2", "--api-key", KEY),
        *("--tokenizer", "mobula/nano", "--artifact-dir", tempfile.mkdtemp(), "--ui-type", "none"),
        *("--isl", "20", "--osl", "8"),
    ]
    environment = {**os.environ, "HF_HOME": _hub_cache()}
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=180
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-600:]


run()
