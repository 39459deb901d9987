"""One resumable upload, and the problems of writing to it.

The statuses are those of tus 1.0.0 (https://tus.io/protocols/resumable-upload).
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cluster.runtime.problems import Conflict, InvalidRequest, NotFound, PayloadTooLarge, Problem

FILE_PREFIX = "file-"  # of ids of files; those of videos begin otherwise
UploadState = Literal["open", "finishing", "done", "failed"]


class UploadNotFound(NotFound):
    slug, title = "unknown-upload", "No such upload"

    def __init__(self, id_: str) -> None:
        super().__init__(f"There is no upload '{id_[:64]}'.", param="upload")


class UploadGone(Problem):
    """It expired, or its content was refused; `why` says which."""

    status, slug, title = 410, "upload-gone", "The upload has ended"

    def __init__(self, id_: str, why: str) -> None:
        super().__init__(f"Upload '{id_}' {why}.", upload=id_)


class OffsetMismatch(Conflict):
    """`offset` is the expected offset."""

    slug, title = "offset-mismatch", "The chunk does not begin at the upload's offset"

    def __init__(self, got: int, offset: int) -> None:
        super().__init__(
            f"Upload-Offset: is {got}; the next piece begins at {offset}.",
            param="Upload-Offset",
            offset=offset,
        )


class UploadLocked(Problem):
    status, slug, title = 423, "upload-locked", "Another request writes to this upload"

    def __init__(self, id_: str) -> None:
        super().__init__(
            f"Another request writes to upload '{id_}'; ask for its offset again.",
            retry_after_s=2.0,
        )


class ChecksumMismatch(InvalidRequest):
    status, slug, title = 460, "checksum-mismatch", "The chunk does not match its checksum"

    def __init__(self, algorithm: str) -> None:
        super().__init__(
            f"Upload-Checksum: the piece has another {algorithm}; nothing of it was kept.",
            param="Upload-Checksum",
        )


class UploadTooLong(PayloadTooLarge):
    slug, title = "over-length", "More bytes than the upload's length"


class TooManyUploads(Conflict):
    slug, title = "too-many-uploads", "Too many uploads are open"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"A tenant has at most {limit} open uploads; finish or delete some.", limit=limit
        )


@dataclass(frozen=True, slots=True)
class Upload:
    """`metadata` is the client's Upload-Metadata as it was sent. `received` counts bytes. `video`
    is the id of the resulting video, or of the file of `/v1/files` that it became, `problem` why
    there is none.
    """

    id: str
    tenant: str
    key: str
    name: str
    length: int
    received: int
    metadata: str
    state: UploadState
    video: str | None
    problem: Mapping[str, Any] | None
    created: float
    expires: float

    @property
    def file(self) -> str | None:
        """The id of the file that it became."""
        is_file = self.video is not None and self.video.startswith(FILE_PREFIX)
        return self.video if is_file else None

    @property
    def folder(self) -> str:
        return f"uploads/{self.id}"

    def part_path(self, offset: int) -> str:
        """The path of the part that begins at `offset`."""
        return f"uploads/{self.id}/{offset}"


@dataclass(slots=True)
class UploadLock:
    """The right to write to an upload; `upload` is its state as of the holder's last write."""

    upload: Upload
    holder: str


def new_id() -> str:
    return f"upl_{secrets.token_hex(12)}"


def video_id_of(upload: str) -> str:
    """The id of the video that an upload becomes: finishing twice makes one video."""
    return f"vid_{upload.removeprefix('upl_')}"
