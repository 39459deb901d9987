"""What a document job is to do, as JSON of its row.

In: an order. Out: a spec, whose password is sealed under the tenant's secret.
"""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cluster.secrets.encryption import SecretBox
from deployments.contracts.jobs import Job

_PURPOSE = "documents"


@dataclass(frozen=True, slots=True)
class DocumentJobSpec:
    """`document` is read from `path` of the tenant's files (empty: it is read already), where `url`
    is fetched to first (empty: it is there). `owned`: the file belongs to the job, and goes with
    it. `collections` are the ids of those that it is indexed in. `password` is sealed. `tags` split
    the usage of the job."""

    document: str
    path: str = ""
    url: str = ""
    name: str = ""
    media_type: str = ""
    password: str = ""
    ocr: bool = True
    owned: bool = True
    collections: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "collections": list(self.collections), "tags": list(self.tags)}

    @classmethod
    def of(cls, job: Job) -> "DocumentJobSpec":
        data: Mapping[str, Any] = job.spec
        lists = {name: tuple(data.get(name, ())) for name in ("collections", "tags")}
        return cls(**{**data, **lists})


def seal_password(secret: bytes, document: str, password: str) -> str:
    if not password:
        return ""
    sealed = SecretBox(secret, _PURPOSE).encrypt(password.encode(), document.encode())
    return base64.b64encode(sealed).decode()


def open_password(secret: bytes, document: str, sealed: str) -> str:
    """Raises DecryptionFailed."""
    if not sealed:
        return ""
    box = SecretBox(secret, _PURPOSE)
    return box.decrypt(base64.b64decode(sealed), document.encode()).decode()
