"""Reads a transcript in a confined child: untrusted bytes in, words or a typed refusal out.

Parsing the largest files takes seconds, during which a thread of this process would block other
requests. The child's answer is not trusted: types and ranges are checked here.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from deployments.contracts.media import Seconds, Transcript, Word
from deployments.sandbox import Cancel, ChildLimits, python_child
from deployments.sandbox.errors import (
    MediaDamaged,
    MediaTimeout,
    MediaTooLarge,
    TranscriptRefused,
)
from deployments.sandbox.folders import read_output
from deployments.video.transcript.cues import check_size
from deployments.video.transcript.json_entries import MAX_WORDS
from deployments.video.transcript.parsing import MAX_BYTES, Kind, Origin

LIMITS = ChildLimits(memory_bytes=2 << 30, cpu_s=20, wall_s=60.0, output_bytes=256 << 20, files=32)
_CHILD = "deployments.video.transcript.reading_child"


class ReadsTranscripts(Protocol):
    """`read_transcript`, or a fake in tests."""

    def __call__(
        self,
        data: bytes,
        kind: Kind | None,
        folder: Path,
        cancel: Cancel | None = None,
        *,
        origin: Origin = "sidecar",
        language: str | None = None,
        duration: Seconds | None = None,
        keep_labels: bool = False,
    ) -> Transcript: ...


class _Summary(msgspec.Struct):
    words: int
    origin: Literal["sidecar", "embedded", "speech", "none"]
    language: str | None
    why: str
    encoding: str | None
    notes: list[str]
    undrawn_scripts: list[str]


def read_transcript(
    data: bytes,
    kind: Kind | None,
    folder: Path,
    cancel: Cancel | None = None,
    *,
    origin: Origin = "sidecar",
    language: str | None = None,
    duration: Seconds | None = None,
    keep_labels: bool = False,
) -> Transcript:
    """`parse_transcript` in a child that works in the private `folder`. Blocks for 0.3 s and more.

    Raises TranscriptRefused, Cancelled and SandboxFailed.
    """
    check_size("bytes", len(data), MAX_BYTES)
    with _input_and_output(data, folder) as (name, out):
        request = {
            "name": name, "out": out.name, "kind": kind, "origin": origin, "language": language,
            "duration": duration, "keep_labels": keep_labels,
        }  # fmt: skip
        try:
            answer = python_child(_CHILD, request, folder, limits=LIMITS, cancel=cancel)
        except (MediaTooLarge, MediaTimeout, MediaDamaged) as problem:
            raise TranscriptRefused(f"It cannot be read: {problem.detail}") from problem
        return _transcript(answer, out)


@contextmanager
def _input_and_output(data: bytes, folder: Path) -> Iterator[tuple[str, Path]]:
    token = secrets.token_hex(8)
    input_file, out = folder / f"given-{token}", folder / f"words-{token}"
    input_file.write_bytes(data)
    try:
        yield input_file.name, out
    finally:
        input_file.unlink(missing_ok=True)
        out.unlink(missing_ok=True)


def _transcript(answer: dict[str, Any], out: Path) -> Transcript:
    try:
        summary = msgspec.convert(answer, _Summary)
        lines = (read_output(out, LIMITS.output_bytes) or b"").split(b"\n")
        words = [word for line in lines if line for word in _decode_words(line)]
    except msgspec.MsgspecError as error:
        raise TranscriptRefused("It cannot be read.") from error
    check_size("words", len(words), MAX_WORDS)
    return Transcript(
        tuple(words),
        summary.origin if words else "none",
        None if summary.language is None else summary.language[:20],
        summary.why[:200],
        None if summary.encoding is None else summary.encoding[:20],
        tuple(note[:300] for note in summary.notes[:20]),
        tuple(script[:40] for script in summary.undrawn_scripts[:20]),
    )


_decode_words = msgspec.json.Decoder(list[Word]).decode
