"""Kill -9 of a worker in the middle of a job, and another process that takes the job up again."""

import asyncio
import subprocess
import sys

from cluster.runtime.settings import ROOT
from tests.contract.jobs.office import LEASE_S, Office

WORKER = """
import asyncio, os, signal, sys
from random import Random
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.tenants.units import UsageAmounts
from cluster.usage.ledger import UsageEntry
from deployments.contracts.jobs import JobResult
from deployments.jobs.store import JobStore
from deployments.jobs.worker import JobWorker, WorkerTimings

url, where, later = sys.argv[1], sys.argv[2], float(sys.argv[3])

def die(here):
    if here == where:
        os.kill(os.getpid(), signal.SIGKILL)

class Clips:
    kind = "video.clips"
    async def run(self, work):
        async def die_inside(connection):
            die("inside")
        die("claimed")
        for number in (1, 2):
            if str(number) not in work.checkpoints:
                await work.part(number, "ready", {"fence": work.fence})
                die("between")
                await work.checkpoint(str(number), work.fence, die_inside)
        die("before the end")
        amounts = UsageAmounts(video_seconds=90)
        charge = UsageEntry(1.7e9, "acme", "key1", "clipper", amounts)
        return JobResult("succeeded", {"clips": dict(work.checkpoints)}, charge)

async def main():
    clock = ManualClock()
    clock.advance(later)
    database = Database(url)
    store = JobStore(database, clock, Random(1))
    timings = WorkerTimings(poll_s=0.01, slowest_s=0.02)
    worker = JobWorker(store, [Clips()], where, clock, pace=timings)
    await worker.start()
    async with asyncio.timeout(20):
        while not (await store.page("acme", state="succeeded")).items:
            await asyncio.sleep(0.01)
    await worker.close()
    await database.close()

asyncio.run(main())
"""
DEATHS = ("claimed", "between", "inside", "before the end")


async def run(url: str, where: str, later: float) -> int:
    """Its exit status."""
    arguments = [sys.executable, "-c", WORKER, url, where, str(later)]
    done = await asyncio.to_thread(subprocess.run, arguments, cwd=ROOT, check=False)
    return done.returncode


async def test_a_job_whose_worker_is_killed_anywhere_ends_once(office: Office, url: str) -> None:
    made = await office.add(max_attempts=len(DEATHS) + 1)

    for number, where in enumerate(DEATHS):
        assert await run(url, where, number * LEASE_S) == -9, where
    assert await run(url, "nowhere", len(DEATHS) * LEASE_S) == 0

    ended = await office.store.get("acme", made.id)
    assert (ended.state, ended.attempts) == ("succeeded", len(DEATHS) + 1)
    assert ended.result == {"clips": {"1": 4, "2": 4}}
    assert (await office.charged())["video_seconds"] == 90
    assert await office.told() == [("acme", "clip.ready")] * 2 + [("acme", "job.succeeded")]
