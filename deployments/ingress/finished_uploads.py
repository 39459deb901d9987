"""What a complete upload becomes: a video, or with a `purpose` in its metadata a file of
`/v1/files`, such as a document.

Flows in: the lock of an upload whose bytes are all there. Flows out: the upload, done, in one
transaction with what it became.
"""

from collections.abc import Mapping
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.clock import Clock
from cluster.runtime.problems import InvalidRequest
from deployments.files.model import (
    MAX_BYTES,
    SENT_PURPOSES,
    NewFile,
    Purpose,
    TenantFile,
    file_name,
)
from deployments.files.store import FileStore
from deployments.video.services import MediaServices
from deployments.video.uploads import tus
from deployments.video.uploads.upload import UploadLock

_OCTETS = "application/octet-stream"  # the client's content type is not trusted


def purpose_of(fields: Mapping[str, str]) -> Purpose | None:
    """The purpose of the file that an upload becomes, by its metadata; None: it becomes a video.
    Raises InvalidRequest for an unknown one."""
    given = fields.get("purpose")
    if given is None:
        return None
    for purpose in SENT_PURPOSES:
        if given == purpose:
            return purpose
    raise InvalidRequest(
        f"Upload-Metadata: purpose is one of {', '.join(SENT_PURPOSES)}.", param="Upload-Metadata"
    )


async def finish_upload(media: MediaServices, clock: Clock, lock: UploadLock) -> None:
    """Raises what a video is refused with, and TooManyFiles."""
    upload = lock.upload
    purpose = purpose_of(tus.fields_of(upload.metadata))
    if purpose is None:
        await media.ingest.finish(lock)
        return
    files = FileStore(media.database, media.files, clock)
    chunks = media.uploads.read(upload)
    staged = await files.receive(upload.tenant, chunks, _OCTETS, MAX_BYTES)
    new = NewFile(upload.tenant, upload.key, purpose, file_name(upload.name), _OCTETS)
    await files.add(staged, new, partial(_complete, media, lock))


async def _complete(
    media: MediaServices, lock: UploadLock, connection: AsyncConnection, file: TenantFile
) -> None:
    await media.uploads.complete(connection, lock, file.id)
