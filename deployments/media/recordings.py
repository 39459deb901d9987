"""Tenants' files in private folders of this process, and what a confined child finds in them.

Flows in: a tenant and the path of a file. Flows out: the file, as long as it is needed, and its
media info. Knows no Serve.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.blobs.files import StoredObject, TenantFiles
from deployments.contracts.audio import ExaminedFile, ExamineRequest
from deployments.contracts.media import MediaInfo, MediaLimits
from deployments.media.figures import MediaFigures
from deployments.sandbox import private_folder
from deployments.video.executor import in_thread
from deployments.video.ingest import Probe
from deployments.video.probe.media_info_json import to_json
from deployments.video.probe.probe import probe

MAX_PROBES = 4  # at once in one process


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A stored file as `path` in the private `folder`."""

    path: Path
    folder: Path
    stored: StoredObject


class Recordings:
    """Private folders are made in `scratch`; on the file system of the store nothing is copied."""

    def __init__(
        self,
        files: TenantFiles,
        scratch: Path,
        probe: Probe = probe,
        figures: MediaFigures | None = None,
    ) -> None:
        self._files = files
        self._figures = figures or MediaFigures()
        self._scratch = scratch
        self._probe = probe
        self._probes = asyncio.Semaphore(MAX_PROBES)

    @asynccontextmanager
    async def fetched(self, tenant: str, path: str) -> AsyncIterator[LocalFile]:
        """The file, until the block ends. Raises NotFound, BlobStoreUnavailable."""
        with private_folder(self._scratch) as folder:
            file = folder / "source"
            stored = await self._files.fetch(tenant, path, file)
            yield LocalFile(file, folder, stored)

    async def inspect(self, file: LocalFile, limits: MediaLimits) -> MediaInfo:
        """Raises the problems of deployments/sandbox/errors.py: not a recording, damaged, over a
        limit."""
        with self._figures.examination():
            async with self._probes:
                return await in_thread(self._probe, file.path, file.folder, limits)

    async def examine(self, request: ExamineRequest) -> ExaminedFile:
        async with self.fetched(request.caller.tenant, request.path) as file:
            info = await self.inspect(file, request.limits)
        return ExaminedFile(file.stored.sha256, file.stored.bytes, to_json(info))
