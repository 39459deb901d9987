"""What is printed of clips: where each is, what is wrong with it, and why one could not be made.

Flows in: clips and jobs as the API answers them. Flows out: lines of text.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Clip = Mapping[str, Any]


def format_headline(clip: Clip) -> str:
    """Its span and score, in seconds of the recording."""
    return f"{clip['start']:.1f}-{clip['end']:.1f} s, score {clip['score']:.2f}"


def title(clip: Clip) -> str:
    return str((clip.get("text") or {}).get("title") or clip["excerpt"])


def remarks(clip: Clip) -> Iterator[str]:
    """Everything about it that a person should know: reasons, problems, what is missing."""
    if clip.get("problem"):
        yield f"not made: {clip['problem']['detail']}"
    yield from _of_span(clip)
    captions = clip.get("captions") or {}
    if captions.get("why"):
        yield f"captions: {captions['why']}"
    for file in clip.get("files", ()):
        yield from _of_file(file)
    detail = (clip.get("text") or {}).get("detail") or {}
    if detail.get("why"):
        yield f"text by a template: {detail['why']}"


def _of_span(clip: Clip) -> Iterator[str]:
    if clip.get("note"):
        yield str(clip["note"])
    if clip.get("instead_of"):
        first = clip["instead_of"]
        yield (
            f"in place of {first['start']:.1f}-{first['end']:.1f} s, which could not be made: "
            f"{first['problem']['detail']}"
        )
    if clip.get("partial"):
        yield "partial: shorter than planned, the recording ends or is damaged there"


def _of_file(file: Mapping[str, Any]) -> Iterator[str]:
    report = file.get("report") or {}
    for remark in (*report.get("problems", ()), *report.get("repairs", ())):
        yield f"{file.get('aspect') or file['kind']}: {remark}"


def summary(clips: Sequence[Clip]) -> str:
    """How many there are, and how many are missing."""
    ready = sum(clip["state"] == "ready" for clip in clips)
    failed = sum(clip["state"] == "failed" for clip in clips)
    counted = f"{ready} clip{'' if ready == 1 else 's'}"
    return counted + (f", {failed} could not be made" if failed else "")
