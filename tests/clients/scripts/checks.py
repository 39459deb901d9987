"""Named checks of one client, each reported as a line of JSON on standard output.

In: MOBULA_URL (without /v1) and MOBULA_KEY. Out: {"check", "passed", "detail"} for each check; the
exit code is 0 whatever failed, so that all checks are seen.
"""

import asyncio
import inspect
import io
import json
import math
import os
import struct
import traceback
import wave
from collections.abc import Callable
from typing import Any

ROOT = os.environ["MOBULA_URL"]
URL = f"{ROOT}/v1"
KEY = os.environ["MOBULA_KEY"]
MODEL = "nano"
QUESTION = "Write an Instagram caption about a new coffee shop"
WEATHER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}
POST_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "tone": {"type": "string", "enum": ["warm", "formal"]},
        "emojis": {"type": "boolean"},
    },
    "required": ["tone", "emojis"],
    "additionalProperties": False,
}

_checks: list[tuple[str, Callable[[], Any]]] = []


def check(function: Callable[[], Any]) -> Callable[[], Any]:
    """Registers a check, under its name with spaces."""
    _checks.append((function.__name__.replace("_", " "), function))
    return function


def tone(seconds: float = 1.0, rate: int = 16_000) -> bytes:
    """A WAV file with a tone, in which nothing is said."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        for at in range(int(seconds * rate)):
            file.writeframesraw(
                struct.pack("<h", int(8_000 * math.sin(at * math.tau * 440 / rate)))
            )
    return content.getvalue()


def run() -> None:
    """Runs all checks in order and reports each."""
    for name, function in _checks:
        try:
            result = function()
            if inspect.iscoroutine(result):
                asyncio.run(result)
            report = {"check": name, "passed": True, "detail": ""}
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"[:600]
            report = {"check": name, "passed": False, "detail": detail}
            traceback.print_exc()
        print(json.dumps(report), flush=True)
