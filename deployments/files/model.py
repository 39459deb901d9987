"""Files of tenants by id, as they cross stages.

TooManyFiles   409 too-many-files   a tenant has MAX_FILES
"""

from dataclasses import dataclass
from typing import Literal

from cluster.runtime.problems import Conflict

Purpose = Literal["assistants", "batch", "batch_output", "fine-tune", "user_data", "vision"]
SENT_PURPOSES: tuple[Purpose, ...] = ("assistants", "batch", "fine-tune", "user_data", "vision")
MAX_FILES = 10_000  # of a tenant
MAX_BYTES = 512 << 20  # of a file
MAX_BATCH_BYTES = 200 << 20  # of one for a batch
MAX_NAME = 255  # characters
# Of OpenAI's `expires_after`.
SHORTEST_S, LONGEST_S = 3_600, 30 * 86_400
JSONL = "application/jsonl"


class TooManyFiles(Conflict):
    slug, title = "too-many-files", "The tenant has too many files"

    def __init__(self) -> None:
        super().__init__(f"This tenant has {MAX_FILES} files, the limit; delete some.")


@dataclass(frozen=True, slots=True)
class NewFile:
    """`keep_s`: how long it is kept (None: until it is deleted)."""

    tenant: str
    key: str  # of the creator: Caller.key_id
    purpose: Purpose
    name: str
    media_type: str
    keep_s: float | None = None


@dataclass(frozen=True, slots=True)
class TenantFile:
    """`job` is the batch that writes it (None: a caller sent it). Times are Unix seconds."""

    id: str
    tenant: str
    key: str
    purpose: str
    name: str
    media_type: str
    bytes: int
    job: str | None
    created: float
    expires: float | None


def file_name(name: str | None) -> str:
    """The name as it is stored: the last part of a path, of printable characters."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(each for each in last if each.isprintable())[:MAX_NAME].strip() or "file"
