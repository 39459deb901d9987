"""Why a transcript is not taken: its limits. TranscriptRefused is with the other problems of the
clipper (deployments/video/errors.py), because a child tells of it by name."""

from deployments.video.errors import TranscriptRefused

__all__ = ["TranscriptRefused", "check_size"]


def check_size(field: str, got: int, limit: int) -> None:
    """Raises TranscriptRefused where a count is over its limit."""
    if got > limit:
        raise TranscriptRefused(
            f"{field}: is {got}; the limit is {limit}.", field=field, limit=limit
        )
