"""What is said in a recording: from a file put beside it, else from its own subtitles, else from a
speech model where one is set up; else nothing, and why.

Flows in: an order and its source. Flows out: a Transcript. Nothing is ever made up.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

from cluster.blobs.files import TenantFiles
from cluster.runtime.problems import Problem
from deployments.contracts.clips import ClipOptions
from deployments.contracts.media import NO_TRANSCRIPT, MediaSource, Transcript
from deployments.video.executor import TaskExecutor, in_thread
from deployments.video.job_spec import ClipJobSpec
from deployments.video.transcript import Kind, SpeechToText, embedded_transcript, read_transcript


class TranscriptSource:
    """`speech` None: this installation has no speech model."""

    def __init__(self, files: TenantFiles, crew: TaskExecutor, speech: SpeechToText | None) -> None:
        self._files = files
        self._crew = crew
        self._speech = speech

    async def transcript(
        self, tenant: str, order: ClipJobSpec, source: MediaSource, folder: Path
    ) -> Transcript:
        """Raises NotFound if the sidecar is gone, and what its parser raises."""
        if order.transcript is not None:
            path, kind = order.transcript
            said = b"".join([block async for block in await self._files.open(tenant, path)])
            return await self._sidecar(said, cast(Kind, kind), order, folder)
        for piece in self._pieces(source, order.options):
            found = await self._tried(piece, source, folder)
            if found is not None and found.words:
                return found
        return NO_TRANSCRIPT

    async def _sidecar(
        self, said: bytes, kind: Kind, order: ClipJobSpec, folder: Path
    ) -> Transcript:
        """In a thread, which waits for a child; another process would have to send the words."""
        duration, keep = order.info.duration, order.options.keep_labels
        read = partial(read_transcript, duration=duration, keep_labels=keep)
        return await in_thread(read, said, kind, folder)

    def _pieces(
        self, source: MediaSource, options: ClipOptions
    ) -> list[Callable[..., Transcript | None]]:
        found: list[Callable[..., Transcript | None]] = []
        language, keep = options.language, options.keep_labels
        if any(track.text for track in source.info.subtitles):
            found.append(partial(embedded_transcript, language=language, keep_labels=keep))
        if self._speech is not None and source.info.audio:
            found.append(partial(self._speech.transcribe, language=language))
        return found

    async def _tried(
        self, piece: Callable[..., Transcript | None], source: MediaSource, folder: Path
    ) -> Transcript | None:
        """Damaged subtitles are no reason to make no clips."""
        try:
            return await self._crew.run(folder, piece, source, folder)
        except Problem:
            return None
