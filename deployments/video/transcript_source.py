"""The transcript of a recording: from its sidecar file, else its subtitles, else a speech model.

Flows in: a clip job's context. Flows out: a Transcript; one without words says why. Words are never
invented.
"""

from collections.abc import Callable
from functools import partial
from typing import cast

from cluster.blobs.files import TenantFiles
from cluster.runtime.problems import Problem
from deployments.contracts.media import NO_TRANSCRIPT, Transcript
from deployments.video.clip_context import ClipContext
from deployments.video.executor import TaskExecutor, in_thread
from deployments.video.transcript import Kind, SpeechToText, embedded_transcript, read_transcript

Task = Callable[..., Transcript | None]


class TranscriptSource:
    """`speech` None: this installation has no speech model."""

    def __init__(
        self, files: TenantFiles, executor: TaskExecutor, speech: SpeechToText | None
    ) -> None:
        self._files = files
        self._executor = executor
        self._speech = speech

    async def transcript(self, context: ClipContext) -> Transcript:
        """Raises NotFound if the sidecar is gone, and what its parser raises."""
        if context.spec.transcript is not None:
            return await self._read_sidecar(context, *context.spec.transcript)
        for task in self._tasks(context):
            transcript = await self._run(task, context)
            if transcript is not None and transcript.words:
                return transcript
        return NO_TRANSCRIPT

    async def _read_sidecar(self, context: ClipContext, path: str, kind: str) -> Transcript:
        """In a thread, which waits for a child; another process would have to send the words."""
        blocks = await self._files.open(context.tenant, path)
        data = b"".join([block async for block in blocks])
        read = partial(
            read_transcript,
            duration=context.spec.info.duration,
            keep_labels=context.spec.options.keep_labels,
        )
        return await in_thread(read, data, cast(Kind, kind), context.folder)

    def _tasks(self, context: ClipContext) -> list[Task]:
        options, info = context.spec.options, context.source.info
        tasks: list[Task] = []
        if any(track.text for track in info.subtitles):
            tasks.append(
                partial(
                    embedded_transcript,
                    language=options.language,
                    keep_labels=options.keep_labels,
                )
            )
        if self._speech is not None and info.audio:
            tasks.append(partial(self._speech.transcribe, language=options.language))
        return tasks

    async def _run(self, task: Task, context: ClipContext) -> Transcript | None:
        """None for damaged subtitles: clips can be made without."""
        try:
            return await self._executor.run(context.folder, task, context.source, context.folder)
        except Problem:
            return None
