"""The context of one attempt of a clip job, which every stage of the job receives."""

from dataclasses import dataclass, replace
from pathlib import Path

from deployments.contracts.clips import Highlight
from deployments.contracts.jobs import JobContext
from deployments.contracts.media import NO_TRANSCRIPT, MediaSource, Transcript
from deployments.video.job_spec import ClipJobSpec, clip_folder


@dataclass(frozen=True, slots=True)
class ClipContext:
    """`source` is the recording, a file in the private `folder` of the attempt. `transcript` holds
    the words of the whole recording, once they are known."""

    job: JobContext
    spec: ClipJobSpec
    source: MediaSource
    folder: Path
    transcript: Transcript = NO_TRANSCRIPT

    @property
    def tenant(self) -> str:
        return self.job.job.tenant

    @property
    def job_id(self) -> str:
        return self.job.job.id

    @property
    def key_id(self) -> str:
        """The key or user that requested the job."""
        return self.job.job.key

    def clip_folder(self, number: int) -> str:
        """Where the files of clip `number` are stored."""
        return clip_folder(self.job_id, number)

    def transcript_of(self, highlight: Highlight) -> Transcript:
        """The words that are said in `highlight`."""
        words = tuple(
            word
            for word in self.transcript.words
            if word.start < highlight.end and word.end > highlight.start
        )
        return replace(self.transcript, words=words)
