"""Sandboxed child: reads a transcript. A request in, a file of words and a summary out."""

from pathlib import Path
from typing import Any

import msgspec

from deployments.sandbox.child import run_child
from deployments.video.captions import unsupported_scripts
from deployments.video.transcript.parsing import MAX_BYTES, parse_transcript

WORDS_A_LINE = 500


def read(request: dict[str, Any]) -> dict[str, Any]:
    """`name` is the input file in the folder, `out` the output file: words as JSON, WORDS_A_LINE in
    each line, so that decoding a line blocks only briefly."""
    with Path(request["name"]).open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    options = {name: request[name] for name in ("origin", "language", "duration", "keep_labels")}
    transcript = parse_transcript(data, request["kind"], **options)
    with Path(request["out"]).open("wb") as file:
        for index in range(0, len(transcript.words), WORDS_A_LINE):
            file.write(msgspec.json.encode(transcript.words[index : index + WORDS_A_LINE]) + b"\n")
    return {
        "words": len(transcript.words),
        "origin": transcript.origin,
        "language": transcript.language,
        "why": transcript.why,
        "encoding": transcript.encoding,
        "notes": list(transcript.notes),
        "undrawn_scripts": sorted(unsupported_scripts(transcript)),
    }


if __name__ == "__main__":
    run_child(read)
