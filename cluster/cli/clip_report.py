"""What is printed of clips: where each is, what is wrong with it, and why one could not be made.

Flows in: clips and jobs as the API answers them. Flows out: lines of text.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Clip = Mapping[str, Any]


def headline(clip: Clip) -> str:
    """Its span and score, in seconds of the recording."""
    return f"{clip['start']:.1f}-{clip['end']:.1f} s, score {clip['score']:.2f}"


def title(clip: Clip) -> str:
    return str((clip.get("text") or {}).get("title") or clip["excerpt"])


def remarks(clip: Clip) -> Iterator[str]:
    """Everything about it that a person should know: reasons, problems, what is missing."""
    if clip.get("problem"):
        yield f"not made: {clip['problem']['detail']}"
    if clip.get("partial"):
        yield "partial: shorter than planned, the recording ends or is damaged there"
    captions = clip.get("captions") or {}
    if captions.get("why"):
        yield f"captions: {captions['why']}"
    for file in clip.get("files", ()):
        for problem in (file.get("report") or {}).get("problems", ()):
            yield f"{file.get('aspect') or file['kind']}: {problem}"
    text = clip.get("text") or {}
    if (text.get("detail") or {}).get("why"):
        yield f"text by a template: {text['detail']['why']}"


def summary(clips: Sequence[Clip]) -> str:
    """How many there are, and how many are missing."""
    ready = sum(clip["state"] == "ready" for clip in clips)
    failed = sum(clip["state"] == "failed" for clip in clips)
    counted = f"{ready} clip{'' if ready == 1 else 's'}"
    return counted + (f", {failed} could not be made" if failed else "")
