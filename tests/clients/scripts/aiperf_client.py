"""aiperf: a short streaming profile."""

import subprocess
import sys
import tempfile
from pathlib import Path

from checks import KEY, MODEL, ROOT, check, run


@check
def profile_of_streaming_chats() -> None:
    command = [
        str(Path(sys.executable).parent / "aiperf"),
        "profile",
        *("--model", MODEL, "--url", ROOT, "--endpoint-type", "chat", "--streaming"),
        *("--request-count", "4", "--concurrency", "2", "--api-key", KEY),
        *("--tokenizer", "builtin", "--artifact-dir", tempfile.mkdtemp(), "--ui-type", "none"),
        *("--isl", "20", "--osl", "8"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert result.returncode == 0, (result.stdout + result.stderr)[-600:]


run()
