"""Problems of stored files.

    QuotaExceeded                  429
      StorageFull                  429 storage-full             names the plan's limit in bytes
    Overloaded                     503
      BlobStoreUnavailable         503 file-store-unavailable   Retry-After
    Conflict                       409
      ReservationLost              409 upload-abandoned         no bytes for too long

A missing, expired or other tenant's file is NotFound, always in the same words.
"""

from cluster.runtime.problems import Conflict, NotFound, Overloaded, QuotaExceeded

RETRY_FULL_S = 3600.0


class StorageFull(QuotaExceeded):
    """`storage_bytes` is the plan's, `used_bytes` what is stored or being stored now."""

    slug, title = "storage-full", "The storage of the plan is full"

    def __init__(self, limit: int, used: int, wanted: int) -> None:
        super().__init__(
            f"The plan stores {limit} bytes, of which {used} are taken; this file has {wanted} or "
            f"more. Delete files, or wait until some expire.",
            RETRY_FULL_S,
            "storage_bytes",
            storage_bytes=limit,
            used_bytes=used,
        )


class BlobStoreUnavailable(Overloaded):
    """The folder or bucket cannot be used: unreachable, access refused, or full."""

    slug, title = "file-store-unavailable", "The file store cannot be used"

    def __init__(self) -> None:
        super().__init__("The file store cannot be used now; nothing was changed.", 2.0)


class ReservationLost(Conflict):
    """The reservation of an upload expired, because its bytes came too slowly."""

    slug, title = "upload-abandoned", "The upload was abandoned"

    def __init__(self) -> None:
        super().__init__("No part of the file came for too long; send it again.")


def not_found(path: str) -> NotFound:
    """The one refusal for a file that is missing, deleted, or another tenant's."""
    return NotFound(f"There is no file '{path}'.", param="path")
