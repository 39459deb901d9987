"""Kill -9 of a worker while it listens to a recording, and others that listen to the rest."""

import json
from pathlib import Path

from tests.contract.jobs.office import Office
from tests.video.jobs.test_job_kill import run_workers

# Hears 20 windows of 30 s; `death` is the number of the window in which the process is killed.
WORKER = """
import asyncio, os, signal, sys
from random import Random
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from deployments.contracts.jobs import JobResult
from deployments.jobs.store import JobStore
from deployments.jobs.worker import JobWorker, WorkerTimings
from deployments.video.speech_listener import listening
from tests.unit.video.scripted_speech import ScriptedRecognizer, context_of, listener_of, segment

url, lease_s, *deaths = sys.argv[1], float(sys.argv[2]), *sys.argv[3:]
heard, *deaths = deaths

class DyingRecognizer(ScriptedRecognizer):
    async def transcribe(self, source, stream, options, duration_s):
        window, said = int(options.start // 30), super().transcribe
        note(window)
        async for result in said(source, stream, options, duration_s):
            if type(result).__name__ == "SpeechSegment" and window == int(death):
                os.kill(os.getpid(), signal.SIGKILL)
            yield result
            if type(result).__name__ == "SpeechProgress":
                window += 1
                if result.done_s < 600:
                    note(window)

def note(window):
    with open(heard, "a") as file:
        file.write(f"{window}\\n")

class Clips:
    kind = "video.clips"
    async def run(self, work):
        said = [segment(30.0 * n + 2, f"Sentence number {n}.") for n in range(20)]
        async with listening(listener_of(DyingRecognizer(said), context_of(work))) as listener:
            transcript = await listener.transcript()
            words = [word.text for word in transcript.words if word.ends_sentence]
            return JobResult("succeeded", {"words": words, "heard_s": listener.heard_s})

async def main():
    clock = ManualClock()
    clock.advance(attempt * lease_s)
    database = Database(url)
    store = JobStore(database, clock, Random(1))
    timings = WorkerTimings(poll_s=0.01, slowest_s=0.02)
    worker = JobWorker(store, [Clips()], f"w{attempt}", clock, pace=timings)
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


async def test_each_kill_costs_one_window_and_no_word(
    office: Office, url: str, tmp_path: Path
) -> None:
    made, heard = await office.add(max_attempts=9), tmp_path / "heard"
    deaths = ("0", "7", "7", "19")

    statuses = await run_workers(WORKER, url, str(heard), *deaths, "-1")

    assert statuses == [-9] * len(deaths) + [0]
    ended = await office.store.get("acme", made.id)
    assert (ended.state, ended.attempts) == ("succeeded", len(deaths) + 1)
    assert ended.result == {"words": [f"{n}." for n in range(20)], "heard_s": 600.0}
    windows = [json.loads(line) for line in heard.read_text().splitlines()]
    assert sorted(windows) == sorted([*range(20), *map(int, deaths)])
