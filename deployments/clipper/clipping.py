"""The job that makes clips of a video: `video.clips`.

    fetch -> transcript -> analyse -> rank -> make each clip, the best first -> done

Flows in: an order. Flows out: a part for each clip, of use as soon as it is ready. Killed anywhere,
another attempt takes the choice of clips and every finished clip from the store and goes on with
the rest.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cluster.blobs.files import TenantFiles
from cluster.clock import Clock
from cluster.problems import NotFound, Problem
from cluster.tenants.plan import Plan
from deployments.clipper.crew import together
from deployments.clipper.describing import Describing
from deployments.clipper.failures import MediaDamaged
from deployments.clipper.order import CLIPS, Order, from_spec
from deployments.clipper.producing import Cut, Producing
from deployments.clipper.ranking import rank
from deployments.clipper.sandbox import private_folder
from deployments.clipper.seeing import Seeing, depth_for
from deployments.clipper.transcribing import Transcribing
from deployments.contracts.clips import Evidence, Highlight
from deployments.contracts.jobs import Result, Work
from deployments.contracts.media import Source, Transcript

SEEN, RANKED = 25.0, 28.0  # percent

log = logging.getLogger("mobula.clipper")


@dataclass(frozen=True, slots=True)
class Stages:
    """What each stage of a job stands on."""

    files: TenantFiles
    transcribing: Transcribing
    seeing: Seeing
    producing: Producing
    describing: Describing


class Clipping:
    """The handler of CLIPS. `scratch` is where private folders are made."""

    kind = CLIPS

    def __init__(
        self,
        stages: Stages,
        plan_of: Callable[[str], Plan],
        clock: Clock,
        scratch: Path,
        side_by_side: int,
    ) -> None:
        self._stages = stages
        self._plan_of = plan_of
        self._clock = clock
        self._scratch = scratch
        self._side_by_side = side_by_side

    async def run(self, work: Work) -> Result:
        """Raises NoSuchVideo where the source is gone, and the problems of the stages."""
        order = from_spec(work.job.spec)
        with private_folder(self._scratch) as folder:
            return await self._run(work, order, folder)

    async def _run(self, work: Work, order: Order, folder: Path) -> Result:
        tenant = work.job.tenant
        await work.report("fetching", 0.0)
        source = Source(folder / "source", order.info, order.sha256)
        await self._stages.files.fetch(tenant, order.path, source.path)
        await work.report("transcript", 1.0)
        transcript = await self._stages.transcribing.transcript(tenant, order, source, folder)
        chosen, facts = await self._chosen(work, order, source, transcript, folder)
        made = await self._make_all(work, order, source, transcript, chosen, folder)
        failed = len(chosen) - made
        if chosen and not made:
            raise MediaDamaged("None of the clips could be made; each says why.")
        return Result(
            "partial" if failed or facts["partial"] else "succeeded",
            {"video": order.video, "clips": made, "failed": failed, **facts},
        )

    async def _chosen(
        self, work: Work, order: Order, source: Source, transcript: Transcript, folder: Path
    ) -> tuple[list[Highlight], dict[str, Any]]:
        """The clips to make, the best first, as an earlier attempt chose them if one did."""
        kept = work.checkpoints.get("chosen")
        if kept is None:
            kept = await self._choose(work, order, source, transcript, folder)
            await work.checkpoint("chosen", kept)
        await work.report("ranked", RANKED)
        chosen = [_highlight(said) for said in kept["highlights"]]
        known = {part.number for part in await work.parts()}
        for number, said in enumerate(kept["highlights"], 1):
            if number not in known:
                await work.part(number, "planned", said)
        return chosen, kept["facts"]

    async def _choose(
        self, work: Work, order: Order, source: Source, transcript: Transcript, folder: Path
    ) -> dict[str, Any]:
        depth = depth_for(transcript, source.info.duration)

        async def told(share: float) -> None:
            await work.report("analysing", 2.0 + (SEEN - 2.0) * share)

        await told(0.0)
        features = await self._stages.seeing.features(work.job.tenant, source, folder, depth, told)
        await work.report("ranking", SEEN)
        chosen = await asyncio.to_thread(rank, features, transcript, order.options)
        if order.options.rerank:
            job = work.job
            chosen = await self._stages.describing.ordered(job.tenant, job.key, chosen)
        facts = {
            "analysis": depth,
            "duration": round(features.duration, 3),
            "partial": features.partial,
            "transcript": {
                "origin": transcript.origin,
                "words": len(transcript.words),
                "why": transcript.why,
            },
        }
        return {"highlights": [asdict(each) for each in chosen], "facts": facts}

    async def _make_all(
        self,
        work: Work,
        order: Order,
        source: Source,
        transcript: Transcript,
        chosen: list[Highlight],
        folder: Path,
    ) -> int:
        """How many clips there are in the end. The first is made alone, so that it is soon there;
        the others side by side."""
        making = _Making(self, work, order, source, transcript, folder, len(chosen))
        ready = {part.number for part in await work.parts() if part.state == "ready"}
        left = [(n, each) for n, each in enumerate(chosen, 1) if n not in ready]
        making.done = len(ready)
        if left:
            await making.one(*left[0], threads=0)
        seats = asyncio.Semaphore(self._side_by_side)

        async def seated(number: int, highlight: Highlight) -> None:
            async with seats:
                await making.one(number, highlight, threads=1)

        await together(*(seated(number, highlight) for number, highlight in left[1:]))
        return making.done - making.failed

    @property
    def producing(self) -> Producing:
        return self._stages.producing


class _Making:
    """The clips of one attempt: how many are done, and how far the others are."""

    def __init__(
        self,
        clipping: Clipping,
        work: Work,
        order: Order,
        source: Source,
        transcript: Transcript,
        folder: Path,
        total: int,
    ) -> None:
        self._clipping = clipping
        self._work, self._order, self._source = work, order, source
        self._transcript, self._folder = transcript, folder
        self._total = total
        self._shares: dict[int, float] = {}
        self.done = self.failed = 0

    async def one(self, number: int, highlight: Highlight, *, threads: int) -> None:
        """A clip that cannot be made ends as failed with its problem; the others go on."""
        work, job = self._work, self._work.job
        said = asdict(highlight)

        async def told(share: float) -> None:
            self._shares[number] = share
            await self._report()

        await work.part(number, "running", said)
        cut = Cut(job.tenant, job.id, job.key, number, threads)
        try:
            clip = await self._clipping.producing.clip(
                cut, self._order, self._source, self._transcript, highlight, self._folder, told
            )
        except Problem as problem:
            if problem.status >= 500 or isinstance(problem, NotFound):
                raise  # tried again with the job
            self.failed += 1
            why = " ".join(getattr(problem, "__notes__", ()))
            log.warning("clip %d of %s: %s %s", number, job.id, problem.detail, why[-1000:])
            said["problem"] = {"slug": problem.slug, "detail": problem.detail}
            await work.part(number, "failed", said)
        else:
            await work.part(number, "ready", clip)
        self._shares.pop(number, None)
        self.done += 1
        await self._report()

    async def _report(self) -> None:
        share = (self.done + sum(self._shares.values())) / self._total
        await self._work.report("making clips", RANKED + (99.0 - RANKED) * min(1.0, share))


def _highlight(said: Mapping[str, Any]) -> Highlight:
    evidence = tuple(Evidence(**each) for each in said["evidence"])
    return Highlight(**{**said, "evidence": evidence})
