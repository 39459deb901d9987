"""What a job of kind `index` is to do: put what a tenant has already into a collection.

Flows in: an order. Flows out: the spec of the job, and texts with the payloads of their points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from deployments.contracts.jobs import Job

INDEX = "index"
WORDS = 180  # of a passage of a transcript, at most, unless one segment has more


@dataclass(frozen=True, slots=True)
class SourcesSpec:
    """`posts` are conditions that posts of the library meet (None: no posts), `recordings` the ids
    of audio jobs."""

    collection: str
    posts: Mapping[str, Any] | None = None
    recordings: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "collection": self.collection,
            "posts": None if self.posts is None else dict(self.posts),
            "recordings": list(self.recordings),
            "tags": list(self.tags),
        }

    @classmethod
    def of(cls, job: Job) -> Self:
        spec = job.spec
        recordings, tags = tuple(spec["recordings"]), tuple(spec["tags"])
        return cls(spec["collection"], spec["posts"], recordings, tags)


@dataclass(frozen=True, slots=True)
class SourceText:
    """A text for the point `id`."""

    id: str
    text: str
    payload: Mapping[str, Any] = field(default_factory=dict)


class SourceReader(Protocol):
    """Reads what jobs index, as the key or user that ordered them. Raises Unauthenticated and
    Forbidden where it may not do so any more."""

    async def posts(
        self, job: Job, conditions: Mapping[str, Any], cursor: str | None, limit: int
    ) -> tuple[Sequence[SourceText], str | None]:
        """Some posts, oldest first, and where the next ones begin."""
        ...

    async def recording(self, job: Job, recording: str) -> Sequence[SourceText]:
        """Passages of its transcript. Raises NotFound."""
        ...


def passages_of(recording: str, segments: Sequence[tuple[float, float, str]]) -> list[SourceText]:
    """Segments of a transcript (begin and end in seconds, text) together, up to WORDS words."""
    found: list[SourceText] = []
    texts: list[str] = []
    begin = end = 0.0
    for start, stop, text in segments:
        words = sum(len(each.split()) for each in texts)
        if texts and words + len(text.split()) > WORDS:
            found.append(_passage(recording, len(found), texts, begin, end))
            texts = []
        if text.strip():
            begin = begin if texts else start
            end = stop
            texts.append(text.strip())
    return [*found, _passage(recording, len(found), texts, begin, end)] if texts else found


def _passage(
    recording: str, number: int, texts: Sequence[str], begin: float, end: float
) -> SourceText:
    payload = {"recording": recording, "passage": number, "start_s": begin, "end_s": end}
    return SourceText(f"recording:{recording}:{number:06d}", " ".join(texts), payload)
