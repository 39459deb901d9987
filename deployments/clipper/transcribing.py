"""What is said in a recording: from a file put beside it, else from its own subtitles, else from a
speech model where one is set up; else nothing, and why.

Flows in: an order and its source. Flows out: a Transcript. Nothing is ever made up.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

from cluster.blobs.files import TenantFiles
from cluster.problems import Problem
from deployments.clipper.crew import Crew
from deployments.clipper.order import Order
from deployments.clipper.transcript import Kind, Speech, embedded_transcript, parse_transcript
from deployments.contracts.media import NO_TRANSCRIPT, Source, Transcript


class Transcribing:
    """`speech` None: this installation has no speech model."""

    def __init__(self, files: TenantFiles, crew: Crew, speech: Speech | None) -> None:
        self._files = files
        self._crew = crew
        self._speech = speech

    async def transcript(
        self, tenant: str, order: Order, source: Source, folder: Path
    ) -> Transcript:
        """Raises NotFound if the sidecar is gone, and what its parser raises."""
        if order.transcript is not None:
            path, kind = order.transcript
            said = b"".join([block async for block in await self._files.open(tenant, path)])
            return parse_transcript(said, cast(Kind, kind))
        for piece in self._pieces(source, order.options.language):
            found = await self._tried(piece, source, folder)
            if found is not None and found.words:
                return found
        return NO_TRANSCRIPT

    def _pieces(
        self, source: Source, language: str | None
    ) -> list[Callable[..., Transcript | None]]:
        found: list[Callable[..., Transcript | None]] = []
        if any(track.text for track in source.info.subtitles):
            found.append(partial(embedded_transcript, language=language))
        if self._speech is not None and source.info.audio:
            found.append(partial(self._speech.transcribe, language=language))
        return found

    async def _tried(
        self, piece: Callable[..., Transcript | None], source: Source, folder: Path
    ) -> Transcript | None:
        """Damaged subtitles are no reason to make no clips."""
        try:
            return await self._crew.do(folder, piece, source, folder)
        except Problem:
            return None
