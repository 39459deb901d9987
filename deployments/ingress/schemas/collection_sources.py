"""What callers send to have posts and transcripts indexed."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from cluster.library.status import PostStatus
from deployments.ingress.schemas.admin import Strict, example

MAX_RECORDINGS = 1_000
JobId = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,63}$")]
Word = Annotated[str, Field(min_length=1, max_length=40)]


class IndexedPosts(Strict):
    """Posts of the library that meet all the conditions; none: every post."""

    statuses: Annotated[list[PostStatus], Field(max_length=len(PostStatus))] | None = None
    platform: Word | None = None
    language: Annotated[str, Field(min_length=2, max_length=8)] | None = None
    tags: Annotated[list[Word], Field(max_length=20)] | None = None


class CollectionSourcesCreate(Strict):
    """Body of `POST /api/v1/collections/{collection}/sources`. `recordings` are the ids of audio
    jobs that have made a transcript."""

    model_config = example(posts={"statuses": ["published"]}, recordings=[])

    posts: IndexedPosts | None = None
    recordings: Annotated[list[JobId], Field(max_length=MAX_RECORDINGS)] = []

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.posts is None and not self.recordings:
            raise ValueError("give posts or recordings")
        return self
