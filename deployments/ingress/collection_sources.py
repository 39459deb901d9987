"""What jobs of kind `index` read: posts of the library and transcripts of audio jobs.

In: a job, and what it names. Out: texts with what their points say beside. The key or user that
ordered the job must still have the scopes for what is read.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from cluster.library.listing import list_posts
from cluster.library.model import LibraryPost, PostFilter, PostOrder
from cluster.library.status import PostStatus
from cluster.runtime.problems import NotFound
from cluster.storage.database import Database
from cluster.tenants.caller import Caller, Scope
from deployments.collections.source_job import SourceText, passages_of
from deployments.contracts.audio import AUDIO_JOB, audio_folder
from deployments.contracts.jobs import Job
from deployments.ingress.audio import AudioServices, require_audio
from deployments.ingress.context import missing_scope
from deployments.media.audio_job import ANALYSIS
from deployments.media.documents import segments_of


class TenantSources:
    """Implements SourceReader. `caller_of` a tenant and the id of a key or a user gives whom it
    stands for now, or raises Unauthenticated or Forbidden."""

    def __init__(
        self,
        database: Database,
        audio: AudioServices | None,
        caller_of: Callable[[str, str], Caller],
    ) -> None:
        self._database = database
        self._audio = audio
        self._caller_of = caller_of

    async def posts(
        self, job: Job, conditions: Mapping[str, Any], cursor: str | None, limit: int
    ) -> tuple[Sequence[SourceText], str | None]:
        self._require(job, Scope.LIBRARY_READ)
        async with self._database.read() as connection:
            page = await list_posts(
                connection,
                job.tenant,
                post_filter(conditions),
                PostOrder.OLDEST,
                limit,
                cursor,
                count=False,
                whole=True,
            )
        return [_post_text(post) for post in page.items], page.next

    async def recording(self, job: Job, recording: str) -> Sequence[SourceText]:
        self._require(job, Scope.MEDIA_READ)
        audio = require_audio(self._audio)
        found = await audio.jobs.get(job.tenant, recording)
        if found.kind != AUDIO_JOB or found.state != "succeeded":
            raise NotFound(f"There is no finished audio job '{recording}'.", param="recordings")
        path = f"{audio_folder(recording)}/{ANALYSIS}"
        blocks = [block async for block in await audio.files.open(job.tenant, path)]
        transcript = orjson.loads(b"".join(blocks)).get("transcript")
        if transcript is None:
            raise NotFound(f"Audio job '{recording}' has no transcript.", param="recordings")
        segments = [(each.start, each.end, each.text) for each in segments_of(transcript)]
        return passages_of(recording, segments)

    def _require(self, job: Job, scope: Scope) -> None:
        if not self._caller_of(job.tenant, job.key).allows(scope):
            raise missing_scope(scope)


def post_filter(conditions: Mapping[str, Any]) -> PostFilter:
    return PostFilter(
        statuses=tuple(PostStatus(each) for each in conditions.get("statuses") or ()),
        platform=conditions.get("platform"),
        language=conditions.get("language"),
        tags=tuple(conditions.get("tags") or ()),
    )


def _post_text(post: LibraryPost) -> SourceText:
    text = f"{post.title}\n{post.body}" if post.title else post.body
    payload = {
        "post": post.id,
        "title": post.title,
        "status": str(post.status),
        "platform": post.platform,
        "language": post.language,
        "tags": list(post.tags),
        "version": post.version,
    }
    return SourceText(f"post:{post.id}", text, payload)
