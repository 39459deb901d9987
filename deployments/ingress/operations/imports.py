"""`videos.import`: fetches a recording from a URL, by a job.

The URL is checked before anything is written; the video's row and its job are written in one
transaction, so neither exists without the other.
"""

from dataclasses import replace
from typing import Any

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.jobs import NewJob
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.schemas.videos import ImportResponse, VideoImport, VideoResponse
from deployments.video.catalog import Video, new_id
from deployments.video.import_job import IMPORT
from deployments.video.services import MediaServices
from deployments.video.uploads.tus import name_of


class ImportVideo:
    """Body: VideoImport. Answer: ImportResponse."""

    schema = VideoImport
    request_class = RequestClass.MEDIA
    scope = Scope.MEDIA_WRITE
    can_stream = False

    def __init__(self, media: MediaServices) -> None:
        self._media = media

    async def answer(self, request: AdmittedRequest, body: VideoImport) -> dict[str, Any]:
        """Raises UnsafeUrl and DatabaseUnavailable."""
        media, caller = self._media, request.caller
        url = (await media.guard.target(body.url)).location.url
        name = name_of(body.name, url.partition("?")[0])
        draft = media.ingest.draft(caller.tenant, caller.key_id, name, new_id())
        video = replace(draft, state="importing")
        async with media.database.begin() as connection:
            await media.videos.add(connection, video)
            job = await media.jobs.create(connection, _new_job(request, video, url))
            answer = ImportResponse(video=VideoResponse.of(video), job=job.id).model_dump(
                mode="json"
            )
            if request.store_response is not None:
                await request.store_response(connection, answer)
        return answer

    async def events(self, request: AdmittedRequest, body: VideoImport) -> Events:
        """One event, the answer: the job has events of its own."""
        yield None, await self.answer(request, body)


def _new_job(request: AdmittedRequest, video: Video, url: str) -> NewJob:
    return NewJob(
        tenant=video.tenant,
        kind=IMPORT,
        key=video.key,
        spec={"video": video.id, "url": url},
        subject=video.id,
        weight=request.caller.weight,
        priority=request.priority,
        request_id=request.request_id,
        trace=request.traceparent,
    )
