"""The catalog of videos: a row for each, and its objects under `videos/<id>/`.

Flows in: stored objects and their media info (plain JSON: this module reads no media). Flows out:
`Video` values. Another tenant's video is reported like one that does not exist. A row turns ready
in the transaction that extends the expiry of its source; until then the source expires soon by
itself, so an interrupted import leaves nothing.
"""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from sqlalchemy import Row, Select, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from cluster.blobs.files import TenantFiles
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, InvalidRequest, NotFound, Problem
from cluster.storage.database import Database
from cluster.storage.pagination import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Page,
    decode_cursor,
    encode_cursor,
    is_id,
)
from cluster.storage.tables import jobs, stored_objects, videos

SWEEP_ROWS = 200  # rows of one sweep
GRACE_S = 86_400.0

VideoState = Literal["importing", "ready", "failed"]


class VideoNotFound(NotFound):
    slug, title = "unknown-video", "No such video"

    def __init__(self, id_: str) -> None:
        super().__init__(f"There is no video '{id_[:64]}'.", param="video")


class VideoBusy(Conflict):
    """`job` is the id of a job that uses it."""

    slug, title = "video-busy", "A job works on this video"

    def __init__(self, id_: str, job: str) -> None:
        super().__init__(f"Job '{job}' works on video '{id_}'; cancel it first.", job=job)


class SourceLost(Conflict):
    """The source expired before the video was ready; the caller has to send it again."""

    slug, title = "source-lost", "The recording took too long to be checked"

    def __init__(self) -> None:
        super().__init__("The recording took too long to be checked; send it again.")


class VideoAlreadyExists(Conflict):
    """Another request created it first."""

    slug, title = "video-made", "The video exists already"

    def __init__(self, id_: str) -> None:
        super().__init__(f"Video '{id_}' is ready already.", video=id_)


@dataclass(frozen=True, slots=True)
class Video:
    """One recording. `media` holds `info`, the probe's result, and `transcript`, the summary of its
    sidecar (`kind`, `bytes`, `words`); either may be missing. Instants are Unix seconds.
    """

    id: str
    tenant: str
    key: str
    name: str
    state: VideoState
    path: str
    bytes: int
    sha256: str
    media: Mapping[str, Any]
    problem: Mapping[str, Any] | None
    created: float
    expires: float | None

    @property
    def info(self) -> Mapping[str, Any] | None:
        return self.media.get("info")

    @property
    def transcript(self) -> Mapping[str, Any] | None:
        return self.media.get("transcript")


def new_id() -> str:
    return f"vid_{secrets.token_hex(12)}"


def folder_of(id_: str) -> str:
    """Where all objects of a video are stored."""
    return f"videos/{id_}"


def source_of(id_: str) -> str:
    return f"videos/{id_}/source"


def transcript_of(id_: str) -> str:
    return f"videos/{id_}/transcript"


def objects_expire(video: Video) -> float | None:
    """When its objects expire: later than the video, so that a running job can still read them."""
    return None if video.expires is None else video.expires + GRACE_S


def problem_to_row(problem: Problem) -> dict[str, Any]:
    """A problem as it is stored in a row."""
    row = {"slug": problem.slug, "title": problem.title, "status": problem.status}
    return {**row, "detail": problem.detail}


class VideoCatalog:
    """Methods that take a connection write in its transaction; the others have their own."""

    def __init__(self, database: Database, files: TenantFiles, clock: Clock) -> None:
        self._database = database
        self._files = files
        self._clock = clock

    async def get(self, tenant: str, id_: str) -> Video:
        """Raises VideoNotFound."""
        async with self._database.read() as connection:
            return _video(await _find(connection, tenant, id_))

    async def lock(self, connection: AsyncConnection, tenant: str, id_: str) -> Video:
        """Locks the row until the transaction ends. Raises VideoNotFound."""
        return _video(await _find(connection, tenant, id_, lock=True))

    async def page(
        self,
        tenant: str,
        *,
        state: VideoState | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> Page[Video]:
        """Newest first. Raises InvalidRequest."""
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidRequest(
                f"limit: must be 1 to {MAX_LIMIT}.", param="limit", limit=MAX_LIMIT
            )
        order = (videos.c.created, videos.c.id)
        query: Select[Any] = select(videos).where(videos.c.tenant == tenant)
        if state is not None:
            query = query.where(videos.c.state == state)
        if cursor is not None:
            query = query.where(tuple_(*order) < tuple_(*decode_cursor(cursor)))
        query = query.order_by(*(column.desc() for column in order)).limit(limit + 1)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        has_more = len(rows) > limit
        items = tuple(_video(row) for row in rows[:limit])
        return Page(items, encode_cursor(items[-1].created, items[-1].id) if has_more else None)

    async def add(self, connection: AsyncConnection, video: Video) -> None:
        await connection.execute(insert(videos).values(asdict(video)))

    async def change(self, connection: AsyncConnection, video: Video, **changes: Any) -> Video:
        """Raises VideoNotFound if it was deleted meanwhile."""
        same_video = (videos.c.tenant == video.tenant, videos.c.id == video.id)
        updated = await connection.execute(update(videos).where(*same_video).values(changes))
        if updated.rowcount != 1:
            raise VideoNotFound(video.id)
        return replace(video, **changes)

    async def mark_ready(self, connection: AsyncConnection, video: Video) -> Video:
        """Marks it ready, and extends the expiry of its source to that of the video.

        Raises VideoNotFound if an import's video was deleted meanwhile, and SourceLost if the
        stored source is not the one that was inspected.
        """
        source = (
            stored_objects.c.tenant == video.tenant,
            stored_objects.c.path == video.path,
            stored_objects.c.sha256 == video.sha256,
        )
        extend_source = update(stored_objects).where(*source).values(expires=objects_expire(video))
        if (await connection.execute(extend_source)).rowcount != 1:
            raise SourceLost
        ready = replace(video, state="ready", problem=None)
        if video.state == "importing":
            values = asdict(ready)
            return await self.change(connection, video, **values)
        await self.add(connection, ready)
        return ready

    async def check_not_ready(self, connection: AsyncConnection, tenant: str, id_: str) -> None:
        """Raises VideoAlreadyExists for a ready video, whose source must not be replaced."""
        with suppress(VideoNotFound):
            if (await self.lock(connection, tenant, id_)).state == "ready":
                raise VideoAlreadyExists(id_)

    async def fail(
        self, connection: AsyncConnection, tenant: str, id_: str, problem: Mapping[str, Any]
    ) -> None:
        """Marks an importing video as failed and deletes its objects; ignores other states."""
        failing = update(videos).where(*_same_video(tenant, id_), videos.c.state == "importing")
        updated = await connection.execute(failing.values(state="failed", problem=dict(problem)))
        if updated.rowcount == 1:
            await self._files.delete_under(tenant, folder_of(id_), connection)

    async def discard(self, tenant: str, id_: str) -> None:
        """Deletes the objects of a video without a row; a video with a row is kept."""
        async with self._database.begin() as connection:
            with suppress(VideoNotFound):
                await self.lock(connection, tenant, id_)
                return
            await self._files.delete_under(tenant, folder_of(id_), connection)

    async def delete(self, tenant: str, id_: str) -> None:
        """Deletes the row and its objects. Raises VideoNotFound, VideoBusy."""
        async with self._database.begin() as connection:
            await self.lock(connection, tenant, id_)
            job = await running_job(connection, tenant, id_)
            if job is not None:
                raise VideoBusy(id_, job)
            await connection.execute(delete(videos).where(*_same_video(tenant, id_)))
            await self._files.delete_under(tenant, folder_of(id_), connection)

    async def sweep(self) -> int:
        """Deletes expired videos that no job uses; returns the number of expired videos."""
        expired = videos.c.expires < self._clock.wall()
        query = select(videos.c.tenant, videos.c.id).where(expired).limit(SWEEP_ROWS)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        for row in rows:
            with suppress(VideoNotFound, VideoBusy):
                await self.delete(row.tenant, row.id)
        return len(rows)


async def running_job(connection: AsyncConnection, tenant: str, video: str) -> str | None:
    """The id of a queued or running job about the video, if any."""
    about_video = (jobs.c.tenant == tenant, jobs.c.subject == video)
    query = select(jobs.c.id).where(*about_video, jobs.c.state.in_(("queued", "running"))).limit(1)
    job_id: str | None = (await connection.execute(query)).scalar()
    return job_id


def _same_video(tenant: str, id_: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return videos.c.tenant == tenant, videos.c.id == id_


async def _find(connection: AsyncConnection, tenant: str, id_: str, lock: bool = False) -> Row[Any]:
    if not is_id(id_):
        raise VideoNotFound(id_)
    query = select(videos).where(*_same_video(tenant, id_))
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    if row is None:
        raise VideoNotFound(id_)
    return row


def _video(row: Row[Any]) -> Video:
    return Video(**row._mapping)
