"""The command line tool llm, with a file of models."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import KEY, MODEL, QUESTION, URL, check, run

folder = Path(tempfile.mkdtemp())
(folder / "extra-openai-models.yaml").write_text(
    f"- model_id: mobula\n  model_name: {MODEL}\n  api_base: {URL}\n  api_key_name: mobula\n"
    "  supports_tools: true\n  supports_schema: true\n"
)
environment = {**os.environ, "LLM_USER_PATH": str(folder)}


def _llm(*arguments: str) -> str:
    command = [str(Path(sys.executable).parent / "llm"), *arguments]
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr[-400:]
    return result.stdout


@check
def prompt_and_conversation() -> None:
    _llm("keys", "set", "mobula", "--value", KEY)
    assert _llm("-m", "mobula", "-o", "max_tokens", "24", QUESTION).strip()
    assert _llm("-c", "-o", "max_tokens", "16", "Shorter").strip()


@check
def schema() -> None:
    assert "emojis" in _llm("-m", "mobula", "--schema", "emojis bool", QUESTION)


@check
def json_object() -> None:
    _llm("-m", "mobula", "-o", "json_object", "1", "-o", "max_tokens", "64", QUESTION)


@check
def tool() -> None:
    _llm("-m", "mobula", "-T", "llm_time", "-o", "max_tokens", "32", "What time is it?")


run()
