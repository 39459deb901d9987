"""What the route of files asks its services for, with one file behind it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from starlette.types import ASGIApp

from cluster.blobs.files import TenantFiles
from cluster.blobs.links import DownloadLinks
from cluster.runtime.clock import ManualClock

DATA = Random(3).randbytes((2 << 20) + 123)
LIFE_S = 600.0


@dataclass
class Media:
    """What the route asks its services for. `suspended` tenants are not served."""

    files: TenantFiles
    links: DownloadLinks
    clock: ManualClock
    suspended: set[str] = field(default_factory=set)

    def is_active(self, tenant: str) -> bool:
        return tenant not in self.suspended

    def link(self, path: str, name: str = "clip.mp4", tenant: str = "acme") -> str:
        return f"/files/{self.links.sign(tenant, path, LIFE_S, name)}"


WithMedia = Callable[[Media | None], ASGIApp]
