"""The problems of media processing.

    InvalidRequest 400
      MediaRefused     415 media-refused     not a recording, or of a kind that is not accepted
      MediaTooLarge    422 media-too-large   over a limit; names field and limit
      MediaTooShort    422 media-too-short   names min_duration_s
      MediaDamaged     422 media-damaged     cannot be decoded, or crashed the decoder
        MediaIncomplete    media-incomplete  an MP4 or MOV whose index was never written
        MediaEncrypted     media-encrypted   it needs a key
      NoMedia          422 no-media          neither picture nor sound
      TranscriptRefused 422 transcript-refused  a transcript that cannot be used; names the field
    DeadlineExceeded
      MediaTimeout     504 media-timeout     the child's wall time ran out; may fare better later
    Overloaded
      ScratchFull      503 no-room           the disk is full
    Problem
      SandboxFailed    500 sandbox-failed    our side: a child could not start, or was killed
      SandboxUnavailable 501 sandbox-unavailable  this kernel cannot confine a child as it must
        RenderFailed       render-failed     ffmpeg failed, though the recording is readable

`Cancelled` is not a problem: its receiver cancelled the work. A sandboxed child is not trusted, so
its problem is rebuilt from `WIRE` by name and never unpickled.
"""

from collections.abc import Mapping
from typing import Any

from cluster.runtime.problems import DeadlineExceeded, InvalidRequest, Overloaded, Problem

MAX_DETAIL = 400


class Cancelled(Exception):
    """The work was cancelled; its processes have ended."""


class MediaRefused(InvalidRequest):
    status, slug, title = 415, "media-refused", "The file is not an accepted recording"

    def __init__(
        self, detail: str = "The file is not a recording of an accepted kind.", **extensions: Any
    ) -> None:
        super().__init__(detail, **extensions)


class MediaTooLarge(InvalidRequest):
    """`field` names the exceeded limit, `limit` is its value, `got` the measured value."""

    status, slug, title = 422, "media-too-large", "The recording is over a limit"

    def __init__(self, field: str, limit: float | str, got: float | str | None = None) -> None:
        value_text = (
            "" if got is None else f"is {got:.15g}" if isinstance(got, float) else f"is {got}"
        )
        limit_text = f"{limit:.15g}" if isinstance(limit, float) else str(limit)
        super().__init__(
            f"{field}: {value_text or 'is over the limit'}; the limit is {limit_text}.",
            field=field,
            limit=limit,
            got=got,
        )


class MediaTooShort(InvalidRequest):
    status, slug, title = 422, "media-too-short", "The recording is too short"

    def __init__(self, got_s: float, limit_s: float) -> None:
        super().__init__(
            f"It lasts {got_s:.3f} s; at least {limit_s:g} s are needed.",
            field="min_duration_s",
            limit=limit_s,
        )


class MediaDamaged(InvalidRequest):
    status, slug, title = 422, "media-damaged", "The recording is damaged"

    def __init__(
        self, detail: str = "The recording could not be decoded.", **extensions: Any
    ) -> None:
        super().__init__(detail, **extensions)


class MediaIncomplete(MediaDamaged):
    slug, title = "media-incomplete", "The recording was cut off"

    def __init__(
        self,
        detail: str = "The MP4 is incomplete: its index (moov) is missing, because recording or "
        "copying it was cut off. Repair it with a tool that can rebuild the index from a whole "
        "file of the same camera, and record MKV or fragmented MP4, which need none.",
        **extensions: Any,
    ) -> None:
        super().__init__(detail, **extensions)


class MediaEncrypted(MediaDamaged):
    slug, title = "media-encrypted", "The recording is encrypted"

    def __init__(
        self, detail: str = "The recording is encrypted; send one that plays without a key."
    ) -> None:
        super().__init__(detail)


class NoMedia(InvalidRequest):
    status, slug, title = 422, "no-media", "The file has neither picture nor sound"

    def __init__(self, detail: str = "The file has neither a video nor an audio stream.") -> None:
        super().__init__(detail)


class TranscriptRefused(InvalidRequest):
    status, slug, title = 422, "transcript-refused", "The transcript cannot be used"

    def __init__(self, detail: str, **extensions: Any) -> None:
        super().__init__(detail, **{"param": "transcript", **extensions})


class MediaTimeout(DeadlineExceeded):
    slug, title = "media-timeout", "Working on the recording took too long"


class ScratchFull(Overloaded):
    slug, title = "no-room", "No disk space is left"

    def __init__(self, detail: str = "The disk is full; try again later.") -> None:
        super().__init__(detail, retry_after_s=60.0)


class SandboxFailed(Problem):
    status, slug, title = 500, "sandbox-failed", "The work could not be done on our side"

    def __init__(
        self, detail: str = "A media process failed on our side; the log says more."
    ) -> None:
        super().__init__(detail)


class SandboxUnavailable(Problem):
    """`lack` is the missing kernel feature, such as "no Landlock"."""

    status, slug, title = 501, "sandbox-unavailable", "Recordings cannot be opened safely here"

    def __init__(self, lack: str) -> None:
        super().__init__(
            f"Recordings are opened in confined processes only, and the kernel of this machine has "
            f"{lack[:200]}. The operator can allow less by video.sandbox: best-effort.",
            lack=lack[:200],
        )


class RenderFailed(SandboxFailed):
    """ffmpeg failed at a command though it could read the recording: a retry cannot help, and the
    recording is not damaged."""

    slug, title = "render-failed", "The clip could not be made on our side"

    def __init__(self, detail: str = "The clip could not be made, by a fault on our side.") -> None:
        super().__init__(detail)


WIRE: Mapping[str, type[Problem]] = {
    kind.__name__: kind
    for kind in (
        MediaRefused,
        MediaTooLarge,
        MediaDamaged,
        MediaIncomplete,
        MediaEncrypted,
        NoMedia,
        ScratchFull,
        TranscriptRefused,
    )
}


def to_wire(problem: Problem) -> dict[str, Any]:
    """A problem as a child writes it; those not in `WIRE` are read as `SandboxFailed`."""
    return {
        "kind": type(problem).__name__,
        "detail": problem.detail,
        "extensions": dict(problem.extensions),
    }


def from_wire(data: Mapping[str, Any]) -> Problem:
    """The problem of a child. Texts are truncated, values other than scalars dropped."""
    kind = WIRE.get(str(data.get("kind")))
    if kind is None:
        return SandboxFailed()
    problem = kind.__new__(kind)
    extensions = data.get("extensions")
    Problem.__init__(
        problem,
        str(data.get("detail"))[:MAX_DETAIL],
        **(_plain_extensions(extensions) if isinstance(extensions, Mapping) else {}),
    )
    return problem


def _plain_extensions(extensions: Mapping[Any, Any]) -> dict[str, Any]:
    items = [(str(key)[:40], value) for key, value in list(extensions.items())[:10]]
    return {
        key: value[:MAX_DETAIL] if isinstance(value, str) else value
        for key, value in items
        if value is None or isinstance(value, str | int | float)
    }
