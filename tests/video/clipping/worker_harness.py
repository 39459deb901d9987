"""A clip worker over a private home, and calls that tests make of it: whole jobs without Ray."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cluster.auth.bootstrap import BOOTSTRAP_TENANT
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from deployments.contracts.clips import ClipOptions, ClipPlan
from deployments.contracts.jobs import ENDED, Job, JobOutput, NewJob
from deployments.sandbox.errors import MediaDamaged
from deployments.video.catalog import Video, new_id, transcript_of
from deployments.video.clip_metadata import TextWriter
from deployments.video.config import VideoConfig
from deployments.video.executor import ThreadTaskExecutor
from deployments.video.job_spec import CLIPS, ClipJobSpec, to_spec
from deployments.video.probe.media_info_json import from_json
from deployments.video.worker import ClipWorker

T = TypeVar("T")
TENANT = BOOTSTRAP_TENANT
PATIENCE_S = 240.0
OPTIONS: Mapping[str, Any] = {"count": 2, "min_s": 2.0, "max_s": 4.0, "quality": "draft"}


class RecordingExecutor(ThreadTaskExecutor):
    """Counts tasks by their names. The clip numbered `failing` cannot be rendered, nor can the
    first `failures` that are tried."""

    def __init__(self, failing: int | None = None, failures: int = 0) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.rendered: list[int] = []
        self._failing = failing
        self._failures = failures

    async def run(self, folder: Path, task: Callable[..., T], *arguments: Any) -> T:
        self.calls[task.__name__] += 1
        if task.__name__ == "render_task":
            plan: ClipPlan = arguments[0]
            self.rendered.append(plan.index)
            self._failures -= 1
            if plan.index == self._failing or self._failures >= 0:
                raise MediaDamaged("This stretch cannot be decoded.")
        return await super().run(folder, task, *arguments)


@dataclass
class ReversingTextModel:
    """A text model that reverses every order, and writes one caption."""

    prompts: list[str] = field(default_factory=list)

    async def caption(self, tenant: str, holder: str, topic: str, seed: int) -> Mapping[str, Any]:
        return {"model": "house", "variants": [{"text": f"All about {topic} #coffee"}]}

    async def ask(self, tenant: str, holder: str, prompt: str) -> str:
        self.prompts.append(prompt)
        letters = [line[0] for line in prompt.splitlines() if line[1:3] == ": "]
        return ",".join(reversed(letters))


@dataclass
class WorkerHarness:
    """One running worker."""

    worker: ClipWorker
    executor: RecordingExecutor

    async def add_video(
        self, file: Path, transcript: str | bytes | None = None, kind: str = "srt"
    ) -> ClipJobSpec:
        """The spec of a job for the recording in `file`, stored with `transcript` beside it."""
        media, id_ = self.worker.media, new_id()
        data = await asyncio.to_thread(file.read_bytes)

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        await media.ingest.store(TENANT, id_, chunks())
        video = await media.ingest.admit(media.ingest.draft(TENANT, "k", "talk.mp4", id_))
        if transcript is None:
            return spec_of(video)
        raw = transcript if isinstance(transcript, bytes) else transcript.encode()
        await media.files.put(TENANT, transcript_of(id_), raw, "application/x-subrip", None)
        return spec_of(video, (transcript_of(id_), kind))

    async def read_subtitles(self, part: JobOutput, kind: str) -> str:
        """The subtitle file of a clip."""
        [file] = [each for each in part.data["files"] if each["kind"] == kind]
        chunks = await self.worker.media.files.open(TENANT, file["path"])
        return b"".join([chunk async for chunk in chunks]).decode()

    async def submit(self, spec: ClipJobSpec, **options: Any) -> str:
        """The id of a new job."""
        document = to_spec(spec)
        document["options"] |= {**OPTIONS, **options}
        new = NewJob(TENANT, CLIPS, "k", document, spec.video)
        async with self.worker.media.database.begin() as connection:
            job = await self.worker.media.jobs.create(connection, new)
        self.worker.wake()
        return job.id

    async def wait_until_ended(self, job_id: str) -> tuple[Job, tuple[JobOutput, ...]]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                job = await self.worker.media.jobs.get(TENANT, job_id)
                if job.state in ENDED:
                    return job, await self.outputs(job_id)
                await asyncio.sleep(0.05)

    async def wait_until_ready(self, job_id: str, number: int) -> JobOutput:
        """Waits for one clip."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for part in await self.outputs(job_id):
                    if part.number == number and part.state == "ready":
                        return part
                await asyncio.sleep(0.02)

    async def outputs(self, job_id: str) -> tuple[JobOutput, ...]:
        return await self.worker.media.jobs.parts(TENANT, job_id)

    def scratch_folders(self) -> list[Path]:
        """Private folders of jobs that exist now."""
        return list(self.worker.media.scratch.iterdir())


@dataclass(frozen=True)
class ClippedTalk:
    """A finished job over a talk with a transcript. `calls` counts its tasks by their names,
    `scratch` are the private folders that were left when it had ended."""

    home: Path
    spec: ClipJobSpec
    job: Job
    parts: tuple[JobOutput, ...]
    calls: Counter[str]
    scratch: list[Path]


def spec_of(video: Video, transcript: tuple[str, str] | None = None) -> ClipJobSpec:
    assert video.info is not None
    info = from_json(video.info)
    return ClipJobSpec(
        video.id, video.name, video.path, video.sha256, info, ClipOptions(), 20, 7.0, transcript
    )


@asynccontextmanager
async def open_worker(
    home: Path,
    executor: RecordingExecutor | None = None,
    writer: TextWriter | None = None,
    speech: str | None = None,
) -> AsyncIterator[WorkerHarness]:
    """A worker that works until the block ends."""
    executor = executor or RecordingExecutor()
    config = VideoConfig(gpu=False, speech=speech, writer=None if writer is None else "house")
    worker = ClipWorker(Settings(home=home), config, executor, writer, SystemClock())
    await worker.start()
    try:
        yield WorkerHarness(worker, executor)
    finally:
        await worker.close()
