"""The transcript of a recording: from its sidecar file, else its subtitles, else from its speech.

Flows in: a clip job's context. Flows out: a Transcript, which says why if it has no words; or a
listener, whose words come while the job works on. Words are never invented.
"""

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import cast

from cluster.blobs.files import TenantFiles
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from deployments.contracts.media import NO_TRANSCRIPT, MediaInfo, Transcript
from deployments.contracts.speech import SpeechRecognizer
from deployments.video.clip_context import ClipContext
from deployments.video.executor import TaskExecutor, in_thread
from deployments.video.probe.tracks import sound_of
from deployments.video.speech_listener import SpeechListener, listening
from deployments.video.transcript import Kind, embedded_transcript, read_transcript


class TranscriptSource:
    """`recognizer` None: speech is not recognised here; `model` is its setting."""

    def __init__(
        self,
        files: TenantFiles,
        executor: TaskExecutor,
        clock: Clock,
        recognizer: SpeechRecognizer | None,
        model: str = "",
    ) -> None:
        self._files = files
        self._executor = executor
        self._clock = clock
        self._recognizer = recognizer
        self._model = model

    async def written(self, context: ClipContext) -> Transcript | None:
        """None: nothing is written, but what is said can be heard. Raises NotFound if the sidecar
        is gone, and what its parser raises."""
        if context.spec.transcript is not None:
            return await self._read_sidecar(context, *context.spec.transcript)
        if has_text(context.source.info):
            transcript = await self._read_embedded(context)
            if transcript is not None and transcript.words:
                return transcript
        if self._recognizer is not None and sound_of(context.source.info) is not None:
            return None
        return NO_TRANSCRIPT

    def listening(self, context: ClipContext) -> AbstractAsyncContextManager[SpeechListener]:
        """For a context for which nothing is written."""
        assert self._recognizer is not None
        return listening(
            SpeechListener(self._recognizer, self._model, self._files, self._clock, context)
        )

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

    async def _read_embedded(self, context: ClipContext) -> Transcript | None:
        """None for damaged subtitles: clips can be made without."""
        options = context.spec.options
        task = partial(
            embedded_transcript, language=options.language, keep_labels=options.keep_labels
        )
        try:
            return await self._executor.run(context.folder, task, context.source, context.folder)
        except Problem:
            return None


def has_text(info: MediaInfo) -> bool:
    """Whether the recording has subtitles that are text."""
    return any(track.text for track in info.subtitles)
