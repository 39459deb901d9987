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
from cluster.usage.entries import UsageEntry
from deployments.contracts.jobs import JobResult
from deployments.jobs.store import JobStore
from deployments.jobs.worker import JobWorker, WorkerTimings

url, lease_s, *deaths = sys.argv[1], float(sys.argv[2]), *sys.argv[3:]

def die(stage):
    if stage == death:
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
    clock.advance(attempt * lease_s)
    database = Database(url)
    store = JobStore(database, clock, Random(1))
    timings = WorkerTimings(poll_s=0.01, slowest_s=0.02)
    worker = JobWorker(store, [Clips()], death, clock, pace=timings)
    await worker.start()
    async with asyncio.timeout(60):
        while not (await store.page("acme", state="succeeded")).items:
            await asyncio.sleep(0.01)
    await worker.close()
    await database.close()

for attempt, death in enumerate(deaths):
    child = os.fork()
    if not child:
        asyncio.run(main())
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
DEATHS = ("claimed", "between", "inside", "before the end")


async def run_workers(script: str, url: str, *deaths: str) -> list[int]:
    """One process after another works until it reaches its death; each imports nothing, because it
    is forked. The lease of the one before has ended. Their exit statuses."""
    arguments = [sys.executable, "-c", script, url, str(LEASE_S), *deaths]
    process = await asyncio.to_thread(
        subprocess.run, arguments, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return [int(status) for status in process.stdout.split()]


async def test_a_job_whose_worker_is_killed_anywhere_ends_once(office: Office, url: str) -> None:
    made = await office.add(max_attempts=len(DEATHS) + 1)

    assert await run_workers(WORKER, url, *DEATHS, "nowhere") == [-9] * len(DEATHS) + [0]

    ended = await office.store.get("acme", made.id)
    assert (ended.state, ended.attempts) == ("succeeded", len(DEATHS) + 1)
    assert ended.result == {"clips": {"1": 4, "2": 4}}
    assert (await office.charged())["video_seconds"] == 90
    assert await office.told() == [("acme", "clip.ready")] * 2 + [("acme", "job.succeeded")]
