"""A workshop over a home of its own, with a short talk to clip: whole jobs without Ray."""

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


class WatchedThreads(ThreadTaskExecutor):
    """Counts pieces by their names. The clip numbered `spoilt` cannot be rendered, nor can the
    first `spoilt_times` that are tried."""

    def __init__(self, spoilt: int | None = None, spoilt_times: int = 0) -> None:
        super().__init__()
        self.done: Counter[str] = Counter()
        self.rendered: list[int] = []
        self._spoilt = spoilt
        self._spoilt_times = spoilt_times

    async def run(self, folder: Path, piece: Callable[..., T], *arguments: Any) -> T:
        self.done[piece.__name__] += 1
        if piece.__name__ == "rendering":
            plan: ClipPlan = arguments[0]
            self.rendered.append(plan.index)
            self._spoilt_times -= 1
            if plan.index == self._spoilt or self._spoilt_times >= 0:
                raise MediaDamaged("This stretch cannot be decoded.")
        return await super().run(folder, piece, *arguments)


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
    """One open workshop."""

    workshop: ClipWorker
    crew: WatchedThreads

    async def video(
        self, file: Path, words: str | bytes | None = None, kind: str = "srt"
    ) -> ClipJobSpec:
        """An order for the recording in `file`, which became a video; `words` lie beside it."""
        library, id_ = self.workshop.library, new_id()
        data = await asyncio.to_thread(file.read_bytes)

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        await library.intake.store(TENANT, id_, chunks())
        made = await library.intake.admit(library.intake.draft(TENANT, "k", "talk.mp4", id_))
        if words is None:
            return order_of(made)
        raw = words if isinstance(words, bytes) else words.encode()
        await library.files.put(TENANT, transcript_of(id_), raw, "application/x-subrip", None)
        return order_of(made, (transcript_of(id_), kind))

    async def text(self, part: JobOutput, kind: str) -> str:
        """The subtitle file of a clip."""
        [file] = [each for each in part.data["files"] if each["kind"] == kind]
        chunks = await self.workshop.library.files.open(TENANT, file["path"])
        return b"".join([chunk async for chunk in chunks]).decode()

    async def begin(self, order: ClipJobSpec, **options: Any) -> str:
        """The id of a new job."""
        said = to_spec(order)
        said["options"] |= {**OPTIONS, **options}
        new = NewJob(TENANT, CLIPS, "k", said, order.video)
        async with self.workshop.library.database.begin() as connection:
            job = await self.workshop.library.jobs.create(connection, new)
        self.workshop.wake()
        return job.id

    async def ended(self, job: str) -> tuple[Job, tuple[JobOutput, ...]]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = await self.workshop.library.jobs.get(TENANT, job)
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
        return await self.workshop.library.jobs.parts(TENANT, job)


def order_of(video: Video, transcript: tuple[str, str] | None = None) -> ClipJobSpec:
    assert video.info is not None
    info = from_json(video.info)
    return ClipJobSpec(
        video.id, video.name, video.path, video.sha256, info, ClipOptions(), 20, 7.0, transcript
    )


@asynccontextmanager
async def opened(
    home: Path, crew: WatchedThreads | None = None, writer: TextWriter | None = None
) -> AsyncIterator[Bench]:
    """A workshop that works until the block ends."""
    crew = crew or WatchedThreads()
    config = VideoConfig(gpu=False, writer=None if writer is None else "house")
    workshop = ClipWorker(Settings(home=home), config, crew, writer, SystemClock())
    await workshop.start()
    try:
        yield Bench(workshop, crew)
    finally:
        await workshop.close()
