"""A clip worker over a home of its own, with a short talk to clip: whole jobs without Ray."""

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
from deployments.video.catalog import Video, new_id, transcript_of
from deployments.video.clip_metadata import TextWriter
from deployments.video.config import VideoConfig
from deployments.video.errors import MediaDamaged
from deployments.video.executor import ThreadTaskExecutor
from deployments.video.job_spec import CLIPS, ClipJobSpec, to_spec
from deployments.video.probe.media_info_json import from_json
from deployments.video.worker import ClipWorker

T = TypeVar("T")
TENANT = BOOTSTRAP_TENANT
PATIENCE_S = 240.0
OPTIONS: Mapping[str, Any] = {"count": 2, "min_s": 2.0, "max_s": 4.0, "quality": "draft"}


class RecordingExecutor(ThreadTaskExecutor):
    """Counts tasks by their names. The clip numbered `spoilt` cannot be rendered, nor can the
    first `spoilt_times` that are tried."""

    def __init__(self, spoilt: int | None = None, spoilt_times: int = 0) -> None:
        super().__init__()
        self.done: Counter[str] = Counter()
        self.rendered: list[int] = []
        self._spoilt = spoilt
        self._spoilt_times = spoilt_times

    async def run(self, folder: Path, task: Callable[..., T], *arguments: Any) -> T:
        self.done[task.__name__] += 1
        if task.__name__ == "render_task":
            plan: ClipPlan = arguments[0]
            self.rendered.append(plan.index)
            self._spoilt_times -= 1
            if plan.index == self._spoilt or self._spoilt_times >= 0:
                raise MediaDamaged("This stretch cannot be decoded.")
        return await super().run(folder, task, *arguments)


@dataclass
class Backwards:
    """A text model that wants every order turned round, and writes one caption."""

    asked: list[str] = field(default_factory=list)

    async def caption(self, tenant: str, holder: str, topic: str, seed: int) -> Mapping[str, Any]:
        return {"model": "house", "variants": [{"text": f"All about {topic} #coffee"}]}

    async def ask(self, tenant: str, holder: str, prompt: str) -> str:
        self.asked.append(prompt)
        letters = [line[0] for line in prompt.splitlines() if line[1:3] == ": "]
        return ",".join(reversed(letters))


@dataclass
class Bench:
    """One running worker."""

    worker: ClipWorker
    executor: RecordingExecutor

    async def video(
        self, file: Path, words: str | bytes | None = None, kind: str = "srt"
    ) -> ClipJobSpec:
        """An order for the recording in `file`, which became a video; `words` lie beside it."""
        media, id_ = self.worker.media, new_id()
        data = await asyncio.to_thread(file.read_bytes)

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        await media.ingest.store(TENANT, id_, chunks())
        made = await media.ingest.admit(media.ingest.draft(TENANT, "k", "talk.mp4", id_))
        if words is None:
            return order_of(made)
        raw = words if isinstance(words, bytes) else words.encode()
        await media.files.put(TENANT, transcript_of(id_), raw, "application/x-subrip", None)
        return order_of(made, (transcript_of(id_), kind))

    async def text(self, part: JobOutput, kind: str) -> str:
        """The subtitle file of a clip."""
        [file] = [each for each in part.data["files"] if each["kind"] == kind]
        chunks = await self.worker.media.files.open(TENANT, file["path"])
        return b"".join([chunk async for chunk in chunks]).decode()

    async def begin(self, order: ClipJobSpec, **options: Any) -> str:
        """The id of a new job."""
        said = to_spec(order)
        said["options"] |= {**OPTIONS, **options}
        new = NewJob(TENANT, CLIPS, "k", said, order.video)
        async with self.worker.media.database.begin() as connection:
            job = await self.worker.media.jobs.create(connection, new)
        self.worker.wake()
        return job.id

    async def ended(self, job: str) -> tuple[Job, tuple[JobOutput, ...]]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = await self.worker.media.jobs.get(TENANT, job)
                if found.state in ENDED:
                    return found, await self.parts(job)
                await asyncio.sleep(0.05)

    async def until_ready(self, job: str, number: int) -> JobOutput:
        """Wait for one clip."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for part in await self.parts(job):
                    if part.number == number and part.state == "ready":
                        return part
                await asyncio.sleep(0.02)

    async def parts(self, job: str) -> tuple[JobOutput, ...]:
        return await self.worker.media.jobs.parts(TENANT, job)


def order_of(video: Video, transcript: tuple[str, str] | None = None) -> ClipJobSpec:
    assert video.info is not None
    info = from_json(video.info)
    return ClipJobSpec(
        video.id, video.name, video.path, video.sha256, info, ClipOptions(), 20, 7.0, transcript
    )


@asynccontextmanager
async def opened(
    home: Path, executor: RecordingExecutor | None = None, writer: TextWriter | None = None
) -> AsyncIterator[Bench]:
    """A worker that works until the block ends."""
    executor = executor or RecordingExecutor()
    config = VideoConfig(gpu=False, writer=None if writer is None else "house")
    worker = ClipWorker(Settings(home=home), config, executor, writer, SystemClock())
    await worker.start()
    try:
        yield Bench(worker, executor)
    finally:
        await worker.close()
