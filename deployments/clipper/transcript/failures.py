"""Why a transcript is not taken.

InvalidRequest
  TranscriptRefused   422 transcript-refused   names the field and the limit, or what is wrong
"""

from typing import Any

from cluster.problems import InvalidRequest


class TranscriptRefused(InvalidRequest):
    status, slug, title = 422, "transcript-refused", "The transcript cannot be used"

    def __init__(self, detail: str, **extensions: Any) -> None:
        super().__init__(detail, **{"param": "transcript", **extensions})


def at_most(field: str, got: int, limit: int) -> None:
    """Raises TranscriptRefused where a count is over its limit."""
    if got > limit:
        raise TranscriptRefused(
            f"{field}: is {got}; the limit is {limit}.", field=field, limit=limit
        )
